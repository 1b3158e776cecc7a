"""What is wrong with a mapping's file, and what in it nobody needs, held against the tables of its deployment."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from bus.settings import ROOT, Settings, tables_in
from mapping.data import DataMapping
from mapping.extend import left_out
from mapping.messages import BrokenMappingError, Message
from mapping.overlay import FOLDER, misplaced
from mapping.port import Lookups
from mapping.round_trip import misfits
from mapping.tables import doubled, missing
from mapping.unused import unused
from operations import mapping_versions
from operations.mapping_files import Known, named, ours, own, ways_back


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; field names are a contract."""

    messages: tuple[Message, ...] = ()
    #: It runs all the same.
    warnings: tuple[Message, ...] = ()


def look(name: str, settings: Settings) -> Looked:
    """Everything about the mapping in a file, or of that id.

    Raises:
        ConfigurationError: there is neither, or the file of sealed versions is not what it should be.
    """
    try:
        known = named(name, settings)
        known.mapping.require_runnable()
        told = _of_tables(known.mapping, *_tables(known, settings))
        back = _of_way_back(known.mapping, settings)
        of = known.mapping.of
        lost = left_out(known.mapping.own, of.spec) if of is not None else []
        warnings = (*_of_seal(known), *lost, *unused(known.mapping))
        return Looked(messages=(*_of_place(known), *told, *back), warnings=warnings)
    except BrokenMappingError as error:
        return Looked(messages=error.messages)


def _tables(known: Known, settings: Settings) -> tuple[Lookups, tuple[str, ...]]:
    """Those it would run with, and what is wrong with their files: of the deployment in whose folder its file lies."""
    folder = _folder(known)
    if folder is None or folder == settings.folder:
        return settings.lookups, settings.lookup_faults
    tables, faults = tables_in(folder)
    return Lookups(tables), faults


def _of_way_back(mapping: DataMapping, settings: Settings) -> Iterator[Message]:
    if mapping.spec.round_trip is not None:
        every = (*ours(), *own(settings), *ways_back(settings))
        yield from misfits(mapping.spec, {each.mapping.id: each.mapping.spec for each in every})


def _folder(known: Known) -> Path | None:
    """The deployment in whose folder of mappings its file lies; None: it lies in none."""
    folders = [each.parent for each in _file(known).parents if each.name == FOLDER]
    return next((each for each in folders if (each / "towpath.toml").is_file()), None)


def _file(known: Known) -> Path:
    below_root = ROOT / known.file
    return below_root if below_root.is_file() else known.file.resolve()


def _of_place(known: Known) -> Iterator[Message]:
    folder = _folder(known)
    if folder is not None:
        stands = _file(known).relative_to(folder).with_suffix("").as_posix()
        yield from misplaced(known.mapping.own, stands)


def _of_seal(known: Known) -> Iterator[Message]:
    """Who is still writing hears early what `towpath check` refuses: a version that stands and says something else."""
    folder = _folder(known)
    if folder is None and not _file(known).is_relative_to(ROOT):
        return
    standing = mapping_versions.sealed(mapping_versions.OURS if folder is None else folder / mapping_versions.OWN)
    own = known.mapping.own.document
    place = own.root.get("version")
    for problem in mapping_versions.altered([known.mapping], standing):
        yield own.message(place.start if place is not None else 0, problem.removeprefix(f"{known.mapping.id}: "))


def _of_tables(mapping: DataMapping, lookups: Lookups, faults: tuple[str, ...]) -> list[Message]:
    """Where its own file declares them; else at its beginning."""
    own, at = mapping.own.document, mapping.own.tables_at()
    told = []
    for fault in (*missing(mapping, lookups), *doubled(mapping, lookups)):
        setting, _, text = fault.partition(": ")
        table = setting.removeprefix("lookups/").removesuffix(".csv")
        unreadable = next((each.partition(": ")[2] for each in faults if each.startswith(f"{setting}: ")), None)
        told.append(own.message(at.get(table, 0), f"{setting}: {unreadable or text}"))
    return told
