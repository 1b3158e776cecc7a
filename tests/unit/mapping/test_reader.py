"""Mapping files keep their bytes: what is edited changes, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.edit import added, replaced
from mapping.messages import BrokenMappingError
from mapping.reader import MOST_BYTES, Document, Entries, Items, Node, Scalar

TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"), max_size=12
)
KEYS = st.text("abcdefgh", min_size=1, max_size=4)


def plain(node: Node) -> object:
    match node:
        case Scalar(text=text):
            return text
        case Items(items=items):
            return [plain(each) for each in items]
        case Entries(entries=entries):
            return {entry.key.text: plain(entry.value) for entry in entries}


@st.composite
def files(draw: st.DrawFn) -> str:
    """A file as people write them: comments, blank lines, quotes, blocks, lists, both ends of line."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    lines = ["# änd" if draw(st.booleans()) else "# a comment"]

    def entries(indent: str, depth: int) -> None:
        for key in draw(st.lists(KEYS, min_size=1, max_size=3, unique=True)):
            kind = draw(st.sampled_from(["plain", "single", "double", "flow", "literal", "block", "list"]))
            comment = draw(st.sampled_from(["", "  # warum"]))
            match kind:
                case "plain":
                    lines.append(f"{indent}{key}: order.a or 'b' + x{comment}")
                case "single":
                    lines.append(f"{indent}{key}: '{draw(TEXTS).replace(chr(39), chr(39) * 2)}'{comment}")
                case "double":
                    lines.append(f'{indent}{key}: "größe \\u00e9 \\" {draw(KEYS)}"{comment}')
                case "flow":
                    lines.append(f"{indent}{key}: {{a: [1, 2], b: c}}{comment}")
                case "literal":
                    lines.extend([f"{indent}{key}: |-", f"{indent}    one", "", f"{indent}    two # no comment"])
                case "list":
                    lines.extend([f"{indent}{key}:", f"{indent}  - one{comment}", f"{indent}  - 'two'"])
                case "block" if depth < 2:
                    lines.append(f"{indent}{key}:{comment}")
                    entries(indent + "  ", depth + 1)
                case _:
                    lines.append(f"{indent}{key}: x")
            if draw(st.booleans()):
                lines.append(draw(st.sampled_from(["", "# zwischen", f"{indent}# more"])))

    entries("", 0)
    return newline.join(lines) + draw(st.sampled_from(["", newline, newline + newline]))


def scalars(node: Node, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Scalar]]:
    match node:
        case Scalar():
            return [(path, node)]
        case Items(items=items):
            return [each for place, item in enumerate(items) for each in scalars(item, (*path, place))]
        case Entries(entries=entries):
            return [each for entry in entries for each in scalars(entry.value, (*path, entry.key.text))]


def put(tree: object, path: tuple[str | int, ...], value: str) -> object:
    if not path:
        return value
    first, *rest = path
    if isinstance(tree, list):
        return [put(each, tuple(rest), value) if place == first else each for place, each in enumerate(tree)]
    assert isinstance(tree, dict)
    return {key: put(each, tuple(rest), value) if key == first else each for key, each in tree.items()}


@settings(max_examples=25, deadline=None)
@given(files())
def test_opening_and_saving_changes_no_byte(text: str) -> None:
    assert Document(text.encode(), "f").bytes == text.encode()


@settings(max_examples=25, deadline=None)
@given(files(), st.data(), TEXTS)
def test_an_edit_changes_its_own_bytes_and_no_other(text: str, data: st.DataObject, value: str) -> None:
    document = Document(text.encode(), "f")
    path, node = data.draw(st.sampled_from(scalars(document.root)))
    start, end = document.byte_span(node)

    edited = replaced(document, node, value)

    assert edited[:start] == text.encode()[:start]
    assert edited.endswith(text.encode()[end:])
    assert plain(Document(edited, "f").root) == put(plain(document.root), path, value)


@settings(max_examples=25, deadline=None)
@given(files(), TEXTS)
def test_a_new_entry_leaves_every_byte_in_place(text: str, value: str) -> None:
    document = Document(text.encode(), "f")

    edited = added(document, document.root, "zz", value)

    assert plain(Document(edited, "f").root) == {**plain(document.root), "zz": value}  # type: ignore[dict-item]
    rest = edited.decode()
    for line in text.splitlines():
        assert line in rest


def test_a_byte_span_counts_bytes() -> None:
    document = Document("ä: 'ö'\nb: c\n".encode(), "f")

    assert document.byte_span(document.root.entries[1].value) == (12, 13)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: &x 1\nb: *x", "f:1:4: the anchor &x"),
        (b"a: [*x]", "f:1:5: an alias"),
        (b'a: !!python/object/apply:os.system ["x"]', "the tag"),
        (b"a: !!binary aGk=", "the tag"),
        (b'a: "x" + y', "put an expression that holds"),
        (b"a: 1\n---\nb: 2", "f:2:1: a second document"),
        (b"[" * 5000, "nested more than 32 deep"),
        (b"{a: " * 5000, "nested more than 32 deep"),
        (b"a: 1\nb: 2\na: 2", "f:3:1: a stands here twice"),
        (b"a: 1\n\xff", "f:2:1: not UTF-8"),
        (b"? [a]\n: b", "a key that is not text"),
        (b'a: "\\ud800"', "half a character"),
        (b"a: \x00", "not YAML"),
        (b"- a", "begins with keys"),
        (b"", "begins with keys"),
        (b"x" * (MOST_BYTES + 1), "longer than"),
    ],
)
def test_what_no_mapping_file_needs_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(BrokenMappingError) as caught:
        Document(text, "f")

    assert said in caught.value.message
