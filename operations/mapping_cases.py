"""Mappings tried with the recorded examples: what came out beside what is written down, and what no example touches."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bus.settings import ROOT, Settings, of_connection
from consumers.dynamics_gp.target import TARGET
from errors import BusError, ConfigurationError, DecodeError, MappingError
from mapping.data import DataMapping
from mapping.differences import Difference, differences
from mapping.messages import WrongError
from mapping.port import Lookups
from mapping.records import Records
from mapping.round_trip import lost
from mapping.shapes import Record
from mapping.steps import Kind, Place
from mapping.watch import Watched
from operations.mapping_files import Known, below_root, named
from schemas.bus.fetched import Fetched
from schemas.systems.captured import Captured
from schemas.systems.clarity import wire
from schemas.topics import Topic
from streams.routes import Route

EXAMPLES = ROOT / "schemas" / "examples"
#: Of a deployment's own, in its folder.
OWN = "examples"
#: The moment at which examples are mapped.
NOW = datetime(2026, 3, 2, 16, tzinfo=UTC)
#: Bodies stand for readings at a connection and a version; those of other topics are read at this version.
READ_AS = {"clarity.orders.v1": ("clarity-main", 17724648007654321)}
READ_AT_VERSION = 1772528400000000
#: Beside what an example becomes: why it becomes nothing.
REFUSED = ".refused.txt"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One example, or one part of it, that a mapping is tried with."""

    name: str
    #: What it is made of.
    example: Path
    record: Any
    #: Where what it should become is written down.
    written: Path
    #: Where what ours makes of it is, beside which a deployment's own is told as long as nothing else is written down.
    ours: Path | None = None

    @property
    def beside(self) -> Path:
        """What it is compared with."""
        own = self.written.is_file() or _refusal_at(self.written).is_file()
        return self.written if own or self.ours is None else self.ours


class CaseTold(msgspec.Struct, frozen=True, kw_only=True):
    """How a case came out."""

    name: str
    #: File of what should come out, below the root.
    example: str
    #: Nothing differs.
    right: bool
    differences: tuple[Difference, ...] = ()
    #: Why it was refused where it should not be; or what it should have been refused for.
    refused: str = ""
    #: Whether nothing is written down yet.
    new: bool = False
    #: What the declared way back does not bring back.
    lost: tuple[Difference, ...] = ()


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping with all its cases."""

    mapping: str
    version: int
    file: str
    cases: tuple[CaseTold, ...]
    #: Fields that came out empty in every case; of a part, behind its name.
    never: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether every case came out as it is written down."""
        return all(case.right for case in self.cases)


def lookups_of(each: Known, settings: Settings) -> Lookups:
    """The tables a mapping is tried with; one that makes documents has the options of the first connection there."""
    connections = settings.of_system(each.system) if each.system else ()
    if not connections:
        return settings.lookups
    return settings.lookups.also(of_connection(connections[0].name), known_as=TARGET)


def tested(each: Known, lookups: Lookups) -> Tested:
    """Try a mapping with each of its cases.

    Raises:
        BrokenMappingError: it cannot be run.
        ConfigurationError: there is no example for it.
    """
    watched = Watched(each.mapping)
    told, filled = [], set[int]()
    for case in cases(each):
        explained = watched.run(case.record, lookups, NOW)
        filled |= {step.place.number for step in explained.steps if step.filled}
        one = _told(each.mapping, case, explained.made, explained.refused)
        missing = _lost(each, case, lookups) if explained.refused is None else ()
        told.append(msgspec.structs.replace(one, right=one.right and not missing, lost=missing))
    return Tested(
        mapping=each.mapping.id,
        version=each.mapping.version,
        file=str(each.file),
        cases=tuple(told),
        never=tuple(_never(watched.places, filled)),
    )


def accept(each: Known, lookups: Lookups, named: Iterable[str] = ()) -> tuple[Path, ...]:
    """Write down what comes out now, where it differs; only these cases, if some are named."""
    wanted, changed = set(named), []
    for case in cases(each):
        if wanted and case.name not in wanted:
            continue
        made, refused = _made(each.mapping, case, lookups)
        if _told(each.mapping, case, made, refused).right:
            continue
        changed.append(_write(case, made, refused))
    return tuple(changed)


def cases(each: Known) -> tuple[Case, ...]:
    """All examples it can be tried with.

    Raises:
        ConfigurationError: there is none.
    """
    found = tuple(_cases(each))
    if not found:
        back = "; a way back is tried with those of the mapping that names it" if each.source is None else ""
        raise ConfigurationError(
            str(each.file), f"no example for it: put one into {below_root(_folders(each)[-1])}/{back}"
        )
    return found


def case(each: Known, name: str) -> Case:
    """The case of a name, or of an example's file, which may lie anywhere.

    Raises:
        ConfigurationError: there is none; names those there are.
    """
    for one in _cases(each):
        if name in {one.name, str(one.example), str(below_root(one.example)), str(below_root(one.written))}:
            return one
    if Path(name).is_file():
        of_file = tuple(_cases_of(each, Path(name).resolve()))
        if not of_file:
            raise ConfigurationError("--example", f"{name}: {each.mapping.id} is given nothing of it")
        return of_file[0]
    there = ", ".join(one.name for one in cases(each))
    raise ConfigurationError("--example", f"{name}: no file and no such case; there are {there}")


def source_record(topic: Topic, row_type: type[msgspec.Struct] | None, path: Path) -> Any:
    """What an example file of a source topic stands for, as the routes read it from Kafka."""
    content = path.read_bytes()
    if row_type is not None:
        captured: Any = Captured
        return msgspec.json.decode(content, type=captured[row_type])
    if topic.record is not None and topic.record is not Fetched:
        return msgspec.json.decode(content, type=topic.record)
    connection, version = READ_AS.get(topic.name, ("", READ_AT_VERSION))
    body = msgspec.json.decode(content)
    identity = body.get("ID") or body.get("id") or body.get("number") or path.stem
    return Fetched(
        connection=connection or body.get("connection", topic.name.partition(".")[0]),
        id=str(identity),
        read_at=NOW,
        source_version=version,
        body=content,
    )


def written_in(each: Known) -> Path:
    """The folder with what its cases should become."""
    return (each.folder / OWN if each.folder is not None else EXAMPLES) / _called(each, each.mapping.id)


def _called(each: Known, id_: str) -> str:
    return each.target.name if each.target is not None else id_.replace("/", ".")


def _cases(each: Known) -> Iterator[Case]:
    for folder in _folders(each):
        for path in sorted(folder.glob("*.json")):
            yield from _cases_of(each, path)


def _folders(each: Known) -> tuple[Path, ...]:
    """Where its examples lie: by the topic it reads, or by the record."""
    place = each.source.name if each.source is not None else _given(each.mapping)
    return (EXAMPLES / place, *((each.folder / OWN / place,) if each.folder is not None else ()))


def _given(mapping: DataMapping) -> str:
    return mapping.spec.given[0][1].text if mapping.spec.given else ""


def _cases_of(each: Known, path: Path) -> Iterator[Case]:
    """An example's."""
    folder = written_in(each)
    of = each.mapping.of
    ours = EXAMPLES / _called(each, of.id) if of is not None and each.folder is not None else None
    kept = _parts(each, path)
    for number, part in enumerate(kept, start=1):
        name = path.stem if len(kept) == 1 else f"{path.stem}_{number}"
        yield Case(
            name=name,
            example=path,
            record=part,
            written=folder / f"{name}.json",
            ours=ours / f"{name}.json" if ours is not None else None,
        )


def _parts(each: Known, path: Path) -> list[Any]:
    """What of an example goes to the mapping, one record each.

    Raises:
        ConfigurationError: it is no such record.
    """
    try:
        return (
            _read(each.source, each.route, path) if each.source is not None else [_record(_given(each.mapping), path)]
        )
    except (msgspec.DecodeError, DecodeError) as error:
        what = each.source.name if each.source is not None else _given(each.mapping)
        raise ConfigurationError(str(below_root(path)), f"is no example of {what}: {error}") from error


def _record(name: str, path: Path) -> Any:
    """The record of that name an example is written as."""
    try:
        kind = Records().class_named(name)
    except WrongError as error:
        raise ConfigurationError(str(below_root(path)), f"is no example of {name}: {error.text}") from error
    if isinstance(kind, type) and issubclass(kind, wire.Wire):
        return wire.decode(path.read_bytes(), kind)
    return msgspec.json.decode(path.read_bytes(), type=kind, dec_hook=_of_text)


def _read(source: Topic, route: Route | None, path: Path) -> list[Any]:
    if route is None:
        return [source_record(source, None, path)]
    parts = route.split(route.read(source_record(source, route.row_type, path)))
    return [part for part in parts if route.leave_out(part) is None]


def _told(mapping: DataMapping, case: Case, made: Any, refused: BusError | None) -> CaseTold:
    told = CaseTold(name=case.name, example=str(below_root(case.beside)), right=True)
    should = _refusal(case)
    if refused is not None or should:
        said = refused.message if refused is not None else ""
        text = said if refused is not None else f"should be refused: {should}"
        return msgspec.structs.replace(told, right=said == should, refused="" if said == should else text)
    if not case.beside.is_file():
        return msgspec.structs.replace(told, right=False, new=True)
    found = tuple(differences(_written(mapping, case), made))
    return msgspec.structs.replace(told, right=not found, differences=found)


def _lost(each: Known, case: Case, lookups: Lookups) -> tuple[Difference, ...]:
    declared = each.mapping.spec.round_trip
    if declared is None:
        return ()
    by = declared.by.text.strip()
    # one of a deployment's own lies where its id says
    own = each.folder / f"{by}.yaml" if each.folder is not None else None
    back = named(str(own) if own is not None and own.is_file() else by).mapping
    try:
        return tuple(lost(each.mapping, back, case.record, lookups, NOW))
    except MappingError as error:
        return (Difference(field=error.field, before=None, after=f"refused by {back.id}: {error.reason}"),)


def _made(mapping: DataMapping, case: Case, lookups: Lookups) -> tuple[Any, BusError | None]:
    try:
        return mapping(case.record, lookups, NOW), None
    except BusError as error:
        return None, error


def _written(mapping: DataMapping, case: Case) -> Any:
    target = Records().type_named(mapping.spec.to.text) if mapping.spec.to is not None else None
    kind = target.maker if isinstance(target, Record) else None
    try:
        return msgspec.json.decode(case.beside.read_bytes(), type=kind or Any, dec_hook=_of_text)
    except msgspec.DecodeError as error:
        raise ConfigurationError(str(below_root(case.beside)), f"is no {target}: {error}") from error


def _of_text(kind: Any, value: object) -> Any:
    """A value of a type of ours, such as ticks, that JSON keeps as text."""
    return kind(value)


def _refusal(case: Case) -> str:
    path = _refusal_at(case.beside)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _refusal_at(written: Path) -> Path:
    return written.with_name(f"{written.stem}{REFUSED}")


def _write(case: Case, made: Any, refused: BusError | None) -> Path:
    refusal = _refusal_at(case.written)
    case.written.parent.mkdir(parents=True, exist_ok=True)
    if refused is not None:
        refusal.write_text(f"{refused.message}\n", encoding="utf-8")
        case.written.unlink(missing_ok=True)
        return refusal
    refusal.unlink(missing_ok=True)
    case.written.write_bytes(msgspec.json.format(msgspec.json.encode(made, enc_hook=str), indent=2) + b"\n")
    return case.written


def _never(places: Iterable[Place], filled: set[int]) -> Iterator[str]:
    """Fields no step of which ever had anything in it."""
    made: dict[str, bool] = {}
    for place in places:
        if place.kind is Kind.FIELD and place.expression:
            name = f"{place.part}: {place.field}" if place.part else place.field
            made[name] = made.get(name, False) or place.number in filled
    return (name for name, was_filled in made.items() if not was_filled)
