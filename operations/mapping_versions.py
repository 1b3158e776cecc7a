"""What each version of a mapping says, for good: a file of id, version and digest that nobody overwrites."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from bus.settings import ROOT
from errors import ConfigurationError
from mapping.data import DataMapping

#: Of the mappings that come with the bus; a deployment's own stands beside its mappings.
OURS = ROOT / "mapping" / "sealed.csv"
OWN = Path("mappings") / "sealed.csv"
COLUMNS = ("mapping", "version", "digest")

Sealed = Mapping[tuple[str, int], str]


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """A version that stands from now on."""

    mapping: str
    version: int
    digest: str


def sealed(file: Path) -> Sealed:
    """The versions that stand; none where there is no file yet.

    Raises:
        ConfigurationError: the file is not what it should be.
    """
    if not file.is_file():
        return {}
    header, *rows = csv.reader(io.StringIO(file.read_text(encoding="utf-8")))
    if tuple(header) != COLUMNS or any(len(row) != len(COLUMNS) or not row[1].isdigit() for row in rows):
        raise ConfigurationError(str(file), f"the columns are {','.join(COLUMNS)}: take the file back from git")
    return {(id_, int(version)): digest for id_, version, digest in rows}


def altered(mappings: Iterable[DataMapping], standing: Sealed) -> Iterator[str]:
    """Versions that stand and say something else now, or that lie below one that stands; pure."""
    for mapping in mappings:
        newest = max((version for id_, version in standing if id_ == mapping.id), default=0)
        was = standing.get((mapping.id, mapping.version))
        next_one = f"write version: {newest + 1}, then `towpath mapping seal`"
        if was is not None and was != mapping.own_digest:
            yield f"{mapping.id}: version {mapping.version} stands and said something else: {next_one}"
        elif was is None and mapping.version < newest:
            yield f"{mapping.id}: version {mapping.version} is below {newest}, which stands: {next_one}"


def unsealed(mappings: Iterable[DataMapping], standing: Sealed) -> Iterator[str]:
    """Versions nobody can hold to their word yet; pure."""
    for mapping in mappings:
        if (mapping.id, mapping.version) not in standing:
            yield f"{mapping.id}: version {mapping.version} is not sealed yet: `towpath mapping seal`"


def seal(mappings: Iterable[DataMapping], file: Path) -> tuple[Seal, ...]:
    """Write down the versions that do not stand yet; those that do are never overwritten.

    Raises:
        ConfigurationError: a version that stands says something else now.
        BrokenMappingError: one cannot be run: nobody seals that.
    """
    listed, standing = list(mappings), sealed(file)
    for problem in altered(listed, standing):
        raise ConfigurationError(str(file), problem)
    new = tuple(
        Seal(mapping=each.id, version=each.version, digest=_runnable(each))
        for each in listed
        if (each.id, each.version) not in standing
    )
    if new:
        _write(file, {**standing, **{(each.mapping, each.version): each.digest for each in new}})
    return new


def _runnable(mapping: DataMapping) -> str:
    mapping.require_runnable()
    return mapping.own_digest


def _write(file: Path, standing: Sealed) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((id_, version, digest) for (id_, version), digest in sorted(standing.items()))
    file.write_text(text.getvalue(), encoding="utf-8")
