"""A version of a mapping says the same for good: records and outcomes name it."""

import re
from pathlib import Path

import pytest

from bus.settings import ROOT
from errors import ConfigurationError
from mapping.data import DataMapping
from operations import mapping_files
from operations.mapping_versions import OURS, altered, seal, sealed, unsealed
from tests.doubles.small_mappings import mapping

TEXT = "mapping: try/it\nversion: {version}\nfrom: {{order: shop.Order}}\nto: erp.Order\nfields: {{key: {key}}}\n"


def small(version: int, key: str = "order.number") -> DataMapping:
    return mapping(TEXT.format(version=version, key=key))


def test_our_own_mappings_say_what_their_versions_said() -> None:
    ours, standing = [each.mapping for each in mapping_files.ours()], sealed(OURS)

    assert [*altered(ours, standing), *unsealed(ours, standing)] == []


def test_a_version_that_stands_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "sealed.csv"
    (first,) = seal([small(1)], file)
    before = file.read_bytes()

    with pytest.raises(ConfigurationError, match="version 1 stands and said something else: write version: 2"):
        seal([small(1, "trim(order.number)")], file)

    assert file.read_bytes() == before
    assert seal([small(1)], file) == ()
    (second,) = seal([small(2, "trim(order.number)")], file)
    assert sealed(file) == {("try/it", 1): first.digest, ("try/it", 2): second.digest}


def test_a_version_below_one_that_stands_is_told(tmp_path: Path) -> None:
    file = tmp_path / "sealed.csv"
    seal([small(3)], file)

    (told,) = altered([small(2)], sealed(file))

    assert "version 2 is below 3" in told


def test_a_new_version_is_told_until_it_is_sealed(tmp_path: Path) -> None:
    assert list(unsealed([small(1)], sealed(tmp_path / "sealed.csv"))) == [
        "try/it: version 1 is not sealed yet: `towpath mapping seal`"
    ]


def test_comments_need_no_new_version() -> None:
    text = TEXT.format(version=1, key="order.number")

    assert mapping(text).own_digest == mapping(f"# a word\n{text}about: what it is for\n").own_digest
    assert mapping(text).own_digest != mapping(text.replace("order.number", "trim(order.number)")).own_digest


def test_the_pages_extend_our_mappings_as_they_stand() -> None:
    standing = {each.mapping.id: each.mapping.version for each in mapping_files.ours()}

    for page in sorted((ROOT / "docs" / "how-to").glob("*.md")):
        for key, named, version in re.findall(r"(extends|replaces): (\S+)@(\d+)", page.read_text(encoding="utf-8")):
            assert int(version) == standing[named], (
                f"docs/how-to/{page.name} says `{key}: {named}@{version}`: look whether the page still holds, "
                f"then write {key}: {named}@{standing[named]}"
            )
