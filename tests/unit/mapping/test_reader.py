"""Mapping files keep their bytes: what is edited changes, and nothing else."""

from contextlib import suppress

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


@pytest.mark.parametrize("value", ["0)", "a[", "(a", "a, b"])
def test_what_is_put_within_braces_is_one_text(value: str) -> None:
    document = Document(b"a: {b: [1, 2]}", "f")
    node = scalars(document.root)[0][1]

    edited = replaced(document, node, value)

    assert plain(Document(edited, "f").root) == {"a": {"b": [value, "2"]}}


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


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "it's", 'say "x"', "é€", "order.b", "\\", "c #d"]), min_size=1, max_size=6),
    st.sampled_from(["'{}'", '"{}"', ">-\n    {}\n", "|-\n    {}\n", ">- # why\n\n    {}\n"]),
    st.sampled_from([" ", "\n    ", "\n\n    "]),
)
def test_every_character_is_found_where_it_is_written(words: list[str], style: str, between: str) -> None:
    marks = [f"w{number}{word}" for number, word in enumerate(words)]
    escaped = {
        "'": lambda word: word.replace("'", "''"),
        '"': lambda word: word.replace("\\", "\\\\").replace('"', '\\"'),
    }
    text = "k:\n  a: " + style.format(between.join(escaped.get(style[0], str)(mark) for mark in marks)) + "\n"

    document = Document(text.encode(), "f")
    (_, scalar) = scalars(document.root)[0]

    for number, mark in enumerate(marks):
        assert document.place_in(scalar, scalar.text.index(mark)) == text.index(f"w{number}")
        last = scalar.text.index(mark) + len(mark) - 1
        assert mark[-1] in text[document.place_in(scalar, last) :][:2]


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
        (b"a: 1\n\xff", "f:2:1: not UTF-8 text: save it as UTF-8"),
        (b"? [a]\n: b", "a key that is not text"),
        (b'a: "\\ud800"', "half a character"),
        (b'a: 1\nb: "\\U00110000"', r"f:2:5: \U00110000 is no character: the last one there is is \U0010FFFF"),
        (b'a: "\\UFFFFFFFF"', r"f:1:5: \UFFFFFFFF is no character"),
        (b"%YAML 1." + b"9" * 5000 + b"\n---\na: 1", "f:1:1: not YAML: a number beyond what there is"),
        (b"a: \x00", "f:1:4: a character no file may hold (U+0000): take it out"),
        (b"a:\n\tb: c", "f:2:1: a tab: indent with blanks"),
        (b"a:\tb", "f:1:3: a tab: write a blank"),
        (b"a: b\n    c: d", "f:2:5: is indented below a line that has its value already"),
        (b"a:\n    b: c\n  d: e", "f:3:3: is indented as nothing above it is"),
        (b"a: {b: c\nd: e", "f:1:4: the { is never closed: write } at its end"),
        (b"a: [b, c", "f:1:4: the [ is never closed: write ] at its end"),
        (b"a: {", "f:1:4: the { is never closed: write } at its end"),
        (b"a: {b: c, ", "f:1:4: the { is never closed"),
        (b"a: {b: [", "f:1:8: the [ is never closed"),
        (b"a: {b: c d: e}", "f:1:11: a comma or } is missing"),
        (b"a: 'b\nc: d", "f:1:4: the quote is never closed: write ' at the end of the text"),
        (b'a: "b\nc: d', 'f:1:4: the quote is never closed: write " at the end'),
        (b'a: "\\d"', "means nothing in double quotes"),
        (b"a: [b] + [c]", "f:1:8: the value had ended before this: put an expression that holds"),
        (b"a: b if c else d: e", "f:1:17: a second `: ` in one line"),
        (b"a: %d", "f:1:4: nothing begins with %: put the expression in quotes"),
        (b"a: > 3", "f:1:4: `>` begins a text of several lines: put the expression in quotes"),
        (b"a\nb: c", "f:1:1: a has no colon behind it: write a: "),
        (b"b: c\na", "f:2:1: a has no colon behind it"),
        (b"a\n\n\n  b: c", "f:1:1: a has no colon behind it"),
        ("a\u2028b: c".encode(), "f:1:1: a has no colon behind it"),
        (b"a:b\nb: c", "f:1:1: a: has no blank behind its colon: write a: b"),
        (b"a: {b: round(c, 2)}", "f:1:8: round(c is cut at a comma: put the whole expression in quotes"),
        (b"- a", "begins with keys"),
        (b"", "begins with keys"),
        (b"x" * (MOST_BYTES + 1), "longer than"),
    ],
)
def test_what_no_mapping_file_needs_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(BrokenMappingError) as caught:
        Document(text, "f")

    assert said in caught.value.message


@pytest.mark.parametrize(
    "whole", ["a: {b: [c, 'd e'], f: \"g\"}\nh:\n  - i: |-\n      j\n  - {k: l}\n", "a: &b !c [*d]\n? e\n: f\n"]
)
def test_a_file_that_ends_anywhere_is_read_or_refused(whole: str) -> None:
    for end in range(len(whole)):
        with suppress(BrokenMappingError):
            Document(whole[:end].encode(), "f")
