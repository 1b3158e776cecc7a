"""A deployment's mappings in the place of ours: which of its files stands for which, and that it fits there."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from mapping.data import DataMapping
from mapping.extend import base_of
from mapping.messages import BrokenMappingError, Message, nearest
from mapping.spec import Expr, Spec, read

#: Of the folder in a deployment, and of the ids of what stands in it.
FOLDER = "mappings"
#: Who runs mappings.
STAGES = frozenset({"streams", "consumers"})
NONE: Mapping[str, bytes] = MappingProxyType({})


def own_mappings(files: Mapping[str, bytes], ours: Mapping[str, DataMapping], stage: str) -> dict[str, DataMapping]:
    """The deployment's mappings by the id of ours each stands for.

    Args:
        files: Its files by name, such as `mappings/orders.yaml`.
        ours: Those of a stage by id.
        stage: Its folder; files that stand for mappings of the other one are left to it.

    Raises:
        BrokenMappingError: a file stands for nothing, two stand for the same, or one does not fit; all of it at once.
    """
    found: dict[str, DataMapping] = {}
    told: list[Message] = []
    back = ways_back(files)
    for file, content in files.items():
        try:
            own = read(content, file)
            if file in back and base_of(own) is None:
                # it stands for nothing, and turns back what another one makes
                told += misplaced(own, file.removesuffix(".yaml"))
                DataMapping(content, file).require_runnable()
                continue
            name = _stands_for(own)
            if name.partition("/")[0] in STAGES - {stage}:
                continue
            if name not in ours:
                raise _wrong(own, f"there is no mapping {name}", nearest(name, ours))
            of = ours[name]
            if of.id in found:
                raise _wrong(own, f"{of.id} has a mapping of yours already: {found[of.id].id}", "one for each of ours")
            found[of.id] = mapping = DataMapping(content, file, of=of)
            told += _misfits(mapping.spec, of.spec)
            mapping.require_runnable()
        except BrokenMappingError as error:
            told += error.messages
    if told:
        raise BrokenMappingError(told)
    return found


def ways_back(files: Mapping[str, bytes]) -> dict[str, Spec]:
    """Files that others of them name as their way back; pure."""
    specs = {file: spec for file, content in files.items() if (spec := _readable(content, file)) is not None}
    by = {f"{spec.round_trip.by.text.strip()}.yaml" for spec in specs.values() if spec.round_trip is not None}
    return {file: spec for file, spec in specs.items() if file in by}


def _readable(content: bytes, file: str) -> Spec | None:
    try:
        return read(content, file)
    except BrokenMappingError:
        return None


def _stands_for(own: Spec) -> str:
    base = base_of(own)
    if base is None:
        raise _wrong(own, "it says neither which of ours it extends nor which it replaces", "extends: streams/…@1")
    return base[0]


def _misfits(own: Spec, ours: Spec) -> Iterator[Message]:
    """It reads and makes what ours does, under the name of its own place."""
    yield from misplaced(own, own.document.file.removesuffix(".yaml"))
    if own.extends is None and _types(own) != _types(ours):
        yield own.document.message(0, f"it does not read and make what {ours.id} does", ", ".join(_types(ours)))


def misplaced(own: Spec, stands: str) -> Iterator[Message]:
    """One of a deployment's is called as its file stands below its folder, without the ending; pure."""
    if own.id != stands:
        node = own.document.root.get("mapping")
        at = node.start if node is not None else 0
        yield own.document.message(at, f"it says it is {own.id}, and stands elsewhere", f"mapping: {stands}")


def _types(spec: Spec) -> list[str]:
    given: list[Expr] = [type_ for _, type_ in spec.given]
    return [each.text for each in (*given, *([spec.to] if spec.to is not None else []))]


def _wrong(own: Spec, text: str, write: str) -> BrokenMappingError:
    of = own.extends if own.extends is not None else own.replaces
    return BrokenMappingError([own.document.message(of.node.start if of is not None else 0, text, write)])
