"""A YAML file as a tree of nodes that know their place; for the checker's messages and for tools that edit in place.

Only what mapping files need of YAML: one document of mappings, lists and texts. Anchors, aliases and tags are refused,
and every scalar is text, so that nothing is ever expanded, resolved or constructed.
"""

import re
from collections.abc import Iterator
from functools import cached_property

import msgspec
import yaml

from mapping import other_languages, written, yaml_faults
from mapping.messages import BrokenMappingError, Message, nearest

MOST_BYTES = 64 * 1024
_DEEPEST = 32


class Scalar(msgspec.Struct, frozen=True, kw_only=True):
    """A text; `start` and `end` are character offsets, quotes included."""

    text: str
    start: int
    end: int


class Items(msgspec.Struct, frozen=True, kw_only=True):
    """A list."""

    items: "tuple[Node, ...]"
    start: int
    end: int


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping of YAML, in the file's order."""

    entries: "tuple[Entry, ...]"
    start: int
    end: int
    #: Written with braces.
    flow: bool = False

    def get(self, key: str) -> "Node | None":
        """What stands under a key, or None."""
        return next((entry.value for entry in self.entries if entry.key.text == key), None)

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys."""
        return tuple(entry.key.text for entry in self.entries)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A key and what stands under it."""

    key: Scalar
    value: "Node"


Node = Scalar | Items | Entries


class Document:
    """A file's text with its nodes."""

    def __init__(self, content: bytes, file: str) -> None:
        """Read it.

        Raises:
            BrokenMappingError: it is not UTF-8, not YAML, or YAML of a kind that mapping files do not use.
        """
        self.file = file
        if len(content) > MOST_BYTES:
            raise BrokenMappingError([Message(file=file, line=1, column=1, text=f"longer than {MOST_BYTES} bytes")])
        try:
            self.text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise BrokenMappingError(
                [Message(file=file, line=line, column=1, text="not UTF-8 text", write="save it as UTF-8")]
            ) from error
        self.root = self._composed()

    def message(self, offset: int, text: str, write: str = "") -> Message:
        """Something to say about the place of a character offset."""
        line = self.text.count("\n", 0, offset) + 1
        column = offset - (self.text.rfind("\n", 0, offset) + 1) + 1
        return Message(file=self.file, line=line, column=column, text=text, write=write)

    def wrong(self, offset: int, text: str, write: str = "") -> BrokenMappingError:
        """The same as an error to raise."""
        return BrokenMappingError([self.message(offset, text, write)])

    def place_in(self, scalar: Scalar, offset: int) -> int:
        """Offset in the file of an offset in a scalar's text."""
        return scalar.start + written.place(self.text[scalar.start : scalar.end], scalar.text, offset)

    @cached_property
    def bytes(self) -> bytes:
        """The file as it was read."""
        return self.text.encode("utf-8")

    def byte_span(self, node: Node) -> tuple[int, int]:
        """First byte of a node and the one after its last, in the file."""
        start = len(self.text[: node.start].encode("utf-8"))
        return start, start + len(self.text[node.start : node.end].encode("utf-8"))

    def _composed(self) -> Entries:
        try:
            root = _compose(self, iter(yaml.parse(self.text, Loader=yaml.SafeLoader)))
        except yaml.YAMLError as error:
            at, text, write = yaml_faults.said(self.text, error)
            raise self.wrong(min(at, len(self.text)), text, write) from error
        except (ValueError, OverflowError) as error:
            # out of its scanner, which looks at no number before it takes it
            raise self.wrong(*yaml_faults.number_said(self.text)) from error
        if not isinstance(root, Entries):
            raise self.wrong(0, "a mapping file begins with keys", "mapping: streams/orders/from_my_store")
        return root


def _compose(document: Document, events: Iterator[yaml.Event]) -> Node | None:
    """The tree, without recursion: a file is as deep as a stranger likes."""
    open_: list[tuple[yaml.CollectionStartEvent, list[Node]]] = []
    root: Node | None = None
    documents = 0
    for event in events:
        made: Node | None = None
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1:
                    raise document.wrong(_start(event), "a second document", "leave out the line `---`")
            case yaml.AliasEvent():
                raise document.wrong(_start(event), "an alias", "write the text out")
            case yaml.ScalarEvent():
                _plain(document, event)
                made = Scalar(text=event.value, start=_start(event), end=_end(event))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                _plain(document, event)
                if len(open_) >= _DEEPEST:
                    raise document.wrong(_start(event), f"nested more than {_DEEPEST} deep")
                open_.append((event, []))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                begun, inside = open_.pop()
                # a block's end event stands where the next thing begins, behind blank lines and comments
                end = _end(event) if begun.flow_style or not inside else inside[-1].end
                made = _closed(document, begun, inside, end)
            case _:
                pass
        if made is not None:
            if open_:
                open_[-1][1].append(made)
            else:
                root = made
    return root


def _closed(document: Document, begun: yaml.CollectionStartEvent, inside: list[Node], end: int) -> Node:
    start = _start(begun)
    if begun.flow_style:
        _whole(document, inside)
    if isinstance(begun, yaml.SequenceStartEvent):
        return Items(items=tuple(inside), start=start, end=end)
    entries: dict[str, Entry] = {}
    for key, value in zip(inside[::2], inside[1::2], strict=True):
        if not isinstance(key, Scalar):
            braces = document.text[key.start] == "{"
            write = "write a name before the colon" + ("; names stand without braces: order.number" if braces else "")
            raise document.wrong(key.start, "a key that is not text", write)
        if key.text in entries:
            raise document.wrong(key.start, f"{key.text} stands here twice", "leave one of them out")
        entries[key.text] = Entry(key=key, value=value)
    return Entries(entries=tuple(entries.values()), start=start, end=end, flow=bool(begun.flow_style))


def _whole(document: Document, inside: list[Node]) -> None:
    """Refuse an expression within braces that its own comma cuts."""
    for node in inside:
        if (
            isinstance(node, Scalar)
            and document.text[node.start] not in "'\""
            and yaml_faults.cut_at_a_comma(node.text)
        ):
            raise document.wrong(node.start, f"{node.text} is cut at a comma", "put the whole expression in quotes")


def _plain(document: Document, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
    if event.anchor is not None:
        raise document.wrong(_start(event), f"the anchor &{event.anchor}", "leave it out")
    if event.tag is not None:
        write = f"write not {event.tag[1:]}" if re.fullmatch(r"![a-z][\w.]*", event.tag) else ""
        raise document.wrong(_start(event), f"the tag {event.tag}", write or "leave it out: every value is text")
    if isinstance(event, yaml.ScalarEvent) and any("\ud800" <= character <= "\udfff" for character in event.value):
        raise document.wrong(_start(event), "half a character", "write it whole")


def _start(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark is not None else 0


def _end(event: yaml.Event) -> int:
    return event.end_mark.index if event.end_mark is not None else 0


def plain(node: Node, *, leave_out: str = "") -> str:
    """What a node says, without comments and however it is set: the same text for the same meaning."""
    match node:
        case Scalar(text=text):
            return repr(text.strip())
        case Items(items=items):
            return f"[{', '.join(plain(each) for each in items)}]"
        case Entries(entries=entries):
            said = (f"{plain(each.key)}: {plain(each.value)}" for each in entries if each.key.text != leave_out)
            return f"{{{', '.join(said)}}}"


def unknown_key(document: Document, key: Scalar, known: tuple[str, ...], where: str) -> Message:
    """Said of a key that means nothing where it stands."""
    _, write = other_languages.key(key.text, known)
    said = f"write {write}" if write else nearest(key.text, known)
    if (plain := " ".join(key.text.split())) != key.text:
        # blanks that YAML takes for letters
        said = f"write plain blanks: {plain}"
    return document.message(key.start, f"{key.text} means nothing {where}", said)
