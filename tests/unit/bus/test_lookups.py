"""Lookup tables of a deployment: what is read, and what is said of a file that is none."""

from pathlib import Path

import pytest

from bus.lookups import tables
from errors import ConfigurationError


def read(folder: Path, content: str | bytes, name: str = "sites.csv") -> dict[str, str]:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return tables(folder)[Path(name).stem]


@pytest.mark.parametrize(
    "content",
    [
        "key,value\nnorth,NORTH\n",
        b"\xef\xbb\xbfkey,value\r\nnorth,NORTH\r\n",
        "key,value,note\nnorth,NORTH,since the move\n",
        "key,value,note\nnorth,NORTH\n",
        "key,value\n\nnorth,NORTH\n,\n",
        '"key","value"\n"north","NORTH"',
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path: Path, content: str | bytes) -> None:
    assert read(tmp_path, content) == {"north": "NORTH"}


def test_a_value_may_be_empty_and_a_key_have_commas_and_lines(tmp_path: Path) -> None:
    assert read(tmp_path, 'key,value\n"a,b\nc",\nd," x "\n') == {"a,b\nc": "", "d": " x "}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "the first line must be `key,value`"),
        ("key;value\nnorth;NORTH\n", "columns are divided by commas"),
        ("key,valu\nnorth,NORTH\n", "column 'valu' is not known"),
        ("key,value,site\n", "column 'site' is not known"),
        ("value,key\n", "the first line must be `key,value`"),
        ("key,value\nnorth\n", "line 2 has 1 columns, not 2"),
        ("key,value\nnorth,NORTH,x\n", "line 2 has 3 columns, not 2"),
        ("key,value\n,NORTH\n", "line 2 has no key"),
        ("key,value\nnorth,A\nsouth,B\n\nnorth,C\n", "'north' stands there twice, in lines 2 and 5"),
        ('key,value\n"two\nlines",A\nnorth,B\nnorth,C\n', "'north' stands there twice, in lines 4 and 5"),
        (b"key,value\nnorth,NORTH\nm\xfcnchen,M\n", "line 3 is not UTF-8 text"),
        ('key,value\nnorth,"NORTH\n', "line 2: unexpected end of data"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_line(tmp_path: Path, content: str | bytes, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, content)

    assert refused.value.facts["setting"] == "lookups/sites.csv"
    assert told in refused.value.message


def test_all_that_is_wrong_is_told_at_once_but_not_without_end(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"line 2 has no key; line 3 has 1 columns, not 2; .*; and 5 more$"):
        read(tmp_path, "key,value\n,A\nb\n" + ",C\n" * 8)


def test_a_file_cannot_pass_for_the_options_of_a_connection(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a table's name is small Latin letters"):
        read(tmp_path, "key,value\n", "connection:gp-two.csv")


def test_a_folder_without_tables_has_none(tmp_path: Path) -> None:
    assert tables(tmp_path / "nowhere") == {}
