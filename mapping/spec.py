"""A mapping file in the words of the language: what stands in which key; says what is misplaced or misspelt."""

import difflib
import re
from collections.abc import Iterator

import msgspec

from mapping import other_languages
from mapping.messages import BrokenMappingError, Message
from mapping.reader import Document, Entries, Entry, Items, Node, Scalar, unknown_key

#: Key -> what it is for; the JSON Schema and the reference page are made of these.
FILE_KEYS = {
    "mapping": "Its id: where the file stands, without the ending.",
    "version": "A whole number, raised with every change of meaning.",
    "about": "What it does, for people.",
    "extends": "The mapping it changes, with the version it was written against: `streams/orders/from_clarity@3`.",
    "replaces": "The mapping in whose place it stands, with the version it was written against, as in `extends`.",
    "from": "Name and record of what is read, such as `order: systems.clarity.order.ClarityOrder`.",
    "to": "The record that is made.",
    "unmapped": "What becomes of fields nobody reads: `ignore`, `refuse`, or `keep in FIELD`, a map of texts.",
    "ignored": "Fields left out on purpose: `order.lines[].weight`, or wherever the record is, `Line.weight`.",
    "lookups": "Lookup tables it reads; each says whether it inverts.",
    "statuses": "Status maps by name, called like functions.",
    "rules": "Named functions of the `rules.py` beside the file; only in mappings that come with the bus.",
    "parts": "Mappings within the mapping by name, called like functions.",
    "let": "Named values in order; each may use those before it.",
    "require": "What must hold, else the record is refused.",
    "fields": "The target's fields.",
    "round trip": "The mapping that turns the result back; or `by:` it, and `without:` fields that do not come back.",
}
BLOCK_KEYS = {
    "each": "The list it is repeated for: `line in order.lines`; with what is in its turns `… for part in line.parts`.",
    "where": "Which turns count.",
    "group by": "One for each value of this: `key` is the value, `group` the list of turns; or `{name: …, name: …}`.",
    "having": "Which groups count.",
    "order by": "An expression, or a list of them; `… descending` turns it round.",
    "number": "A name for 1, 2, 3 ….",
    "when": "A condition; if it does not hold, `otherwise` counts, or the field's default.",
    "otherwise": "An expression or a block.",
    "let": FILE_KEYS["let"],
    "require": FILE_KEYS["require"],
    "fields": "The fields of what is made.",
    "text": "A text as it stands, instead of an expression.",
}
#: Of them, those of a block with `each:` alone.
OF_EACH = frozenset({"where", "group by", "having", "order by", "number"})
REQUIRE_KEYS = {
    "that": "The condition.",
    "say": "Why it is refused; `{expressions}` in braces are filled in.",
    "field": "The field it is about: one that is made, one that is read, or a named value.",
}
STATUS_KEYS = {
    "values": "From what the source says to what the target says.",
    "otherwise": "What any other value becomes; left out: it is refused.",
    "inverts": "`true`: no two values become the same, so that `NAME_back(…)` turns it round.",
}
LOOKUP_KEYS = {"inverts": "`true`: no two rows have the same value, so that `lookup_back(…)` turns it round."}
ROUND_TRIP_KEYS = {
    "by": "The mapping that turns the result back.",
    "without": "Fields of the record that do not come back.",
}
PART_KEYS = {
    "from": "Names and types of what it is given; `?` behind a type: may be absent.",
    "to": "The record or value that it makes.",
    "let": FILE_KEYS["let"],
    "require": FILE_KEYS["require"],
    "fields": BLOCK_KEYS["fields"],
    "value": "An expression, where it makes a value and no record.",
}


class Expr(msgspec.Struct, frozen=True):
    """An expression where it stands."""

    document: Document
    node: Scalar

    @property
    def text(self) -> str:
        """As it is written."""
        return self.node.text


class Named(msgspec.Struct, frozen=True):
    """A name where it stands."""

    document: Document
    node: Scalar

    @property
    def text(self) -> str:
        """The name."""
        return self.node.text


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold."""

    that: Expr
    say: Expr
    field: Named | None


class Verbatim(msgspec.Struct, frozen=True):
    """A text as it stands."""

    value: Expr


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A record, or several, made of fields."""

    at: Named
    each: Expr | None = None
    where: Expr | None = None
    #: Each by its name; `key` where it was given none.
    group_by: tuple[tuple[Named, Expr], ...] = ()
    having: Expr | None = None
    order_by: tuple[Expr, ...] = ()
    number: Named | None = None
    when: Expr | None = None
    otherwise: "Value | None" = None
    let: tuple[tuple[Named, Expr], ...] = ()
    require: tuple[Requirement, ...] = ()
    fields: "tuple[tuple[Named, Value], ...]" = ()


class Listed(msgspec.Struct, frozen=True):
    """Blocks and expressions that add to one list."""

    items: "tuple[Value, ...]"


Value = Expr | Block | Verbatim | Listed


class Statuses(msgspec.Struct, frozen=True, kw_only=True):
    """A status map."""

    name: Named
    values: tuple[tuple[Named, Expr], ...]
    otherwise: Expr | None
    inverts: bool


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping within the mapping."""

    name: Named
    given: tuple[tuple[Named, Expr], ...]
    to: Expr
    block: Block
    value: Expr | None = None


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """What turns the result back into the record it was made of."""

    #: Id of the mapping.
    by: Expr
    #: Fields of the record that do not come back.
    without: tuple[Expr, ...] = ()


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping file, read."""

    document: Document
    id: str
    version: int
    about: str = ""
    extends: Expr | None = None
    replaces: Expr | None = None
    given: tuple[tuple[Named, Expr], ...] = ()
    to: Expr | None = None
    unmapped: Expr | None = None
    ignored: tuple[Expr, ...] = ()
    #: Table -> whether it inverts.
    lookups: dict[str, bool] = {}
    statuses: tuple[Statuses, ...] = ()
    rules: tuple[Expr, ...] = ()
    parts: tuple[Part, ...] = ()
    block: Block
    round_trip: RoundTrip | None = None

    def tables_at(self) -> dict[str, int]:
        """Lookup tables the file declares, with the character offset of each."""
        node = self.document.root.get("lookups")
        match node:
            case Items():
                return {each.text: each.start for each in node.items if isinstance(each, Scalar)}
            case Entries():
                return {each.key.text: each.key.start for each in node.entries}
            case _:
                return {}


def read(content: bytes, file: str) -> Spec:
    """The file, as far as its words can be understood without its records.

    Raises:
        BrokenMappingError: a key that means nothing, or one that is missing; all of them at once.
    """
    return _Reader(Document(content, file)).spec()


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.messages: list[Message] = []

    def spec(self) -> Spec:
        root = self.document.root
        self._known(root, FILE_KEYS, "in a mapping file")
        extends = self._expr(root.get("extends"))
        # one that is misspelt was told
        misspelt = {self._meant(each, FILE_KEYS) for each in root.keys if each not in FILE_KEYS}
        for key in ("mapping", "version", *(() if extends else ("from", "to", "fields"))):
            if key not in root.keys and key not in misspelt:
                self._say(root, f"`{key}:` is missing", FILE_KEYS[key])
        to = self._expr(root.get("to"))
        if extends and (replaces := root.get("replaces")) is not None:
            self._say(replaces, "it extends ours already", "leave `extends:` or `replaces:` out")
        spec = Spec(
            document=self.document,
            id=self._text(root.get("mapping")),
            version=self._whole(root.get("version")),
            about=self._text(root.get("about")),
            extends=extends,
            replaces=self._expr(root.get("replaces")),
            given=self._source(root.get("from")),
            to=to,
            unmapped=self._expr(root.get("unmapped")),
            ignored=self._exprs(root.get("ignored")),
            lookups={entry.key.text: self._table(entry) for entry in self._tables(root.get("lookups"))},
            statuses=tuple(self._statuses(entry) for entry in self._entries(root.get("statuses"))),
            rules=self._exprs(root.get("rules")),
            parts=tuple(self._part(entry) for entry in self._entries(root.get("parts"))),
            block=self._block(
                next(
                    (entry.key for entry in root.entries if entry.key.text == "fields"),
                    Scalar(text="fields", start=root.start, end=root.start),
                ),
                root,
            ),
            round_trip=self._round_trip(root.get("round trip")),
        )
        if self.messages:
            raise BrokenMappingError(self.messages)
        return spec

    def _block(self, at: Scalar, entries: Entries, *, listed: bool = False) -> Block:
        order = entries.get("order by")
        number = entries.get("number")
        otherwise = entries.get("otherwise")
        self._apply(entries, listed=listed)
        return Block(
            at=Named(self.document, at),
            each=self._expr(entries.get("each")),
            where=self._expr(entries.get("where")),
            group_by=self._groups(entries.get("group by")),
            having=self._expr(entries.get("having")),
            order_by=self._exprs(order),
            number=Named(self.document, number) if isinstance(number, Scalar) else None,
            when=self._expr(entries.get("when")),
            otherwise=self._value(at, otherwise) if otherwise is not None else None,
            let=self._named(entries.get("let")),
            require=tuple(self._requirements(entries.get("require"))),
            fields=tuple(
                (Named(self.document, entry.key), self._value(entry.key, entry.value))
                for entry in self._entries(entries.get("fields"))
            ),
        )

    def _groups(self, node: Node | None) -> tuple[tuple[Named, Expr], ...]:
        match node:
            case Scalar(start=start, end=end):
                return ((Named(self.document, Scalar(text="key", start=start, end=end)), Expr(self.document, node)),)
            case Items():
                self._say(node, "several keys have names", "write {sku: line.sku, unit: line.unit}")
                return ()
            case _:
                return self._named(node)

    def _apply(self, entries: Entries, *, listed: bool) -> None:
        """A key that changes nothing where it stands was meant for something else."""
        repeated, chosen = entries.get("each") is not None, entries.get("when") is not None
        for entry in entries.entries:
            key = entry.key.text
            if key == "having" and repeated and entries.get("group by") is None:
                self._say(entry.key, "`having:` is for groups", "where: for the turns that count")
            elif key in OF_EACH and not repeated and not (listed and key == "number"):
                self._say(entry.key, f"`{key}:` is for what is repeated", "each: line in …, or when: for a condition")
            elif key == "when" and repeated:
                self._say(entry.key, "`when:` is for what is made once", "where: for the turns that count")
            elif key == "otherwise" and (repeated or not chosen):
                self._say(entry.key, "`otherwise:` belongs to a condition", "when: …")

    def _value(self, at: Scalar, node: Node, *, listed: bool = False) -> Value:
        match node:
            case Scalar():
                return Expr(self.document, node)
            case Entries() if node.keys == ("text",):
                return Verbatim(self._needed(node.get("text"), node))
            case Entries():
                if not self._is_block(node):
                    return Expr(self.document, Scalar(text="none", start=node.start, end=node.end))
                self._known(node, BLOCK_KEYS, "in a block")
                if "text" in node.keys:
                    self._say(node, "`text:` stands alone", 'write an expression: "…" if … else …')
                elif "fields" not in node.keys and not any(each not in BLOCK_KEYS for each in node.keys):
                    self._say(node, "a block needs `fields:`", "or write an expression")
                return self._block(at, node, listed=listed)
            case Items():
                return Listed(tuple(self._value(at, item, listed=True) for item in node.items))

    def _is_block(self, node: Entries) -> bool:
        """Whether braces, or keys that are none of a block's, were not meant as something else, which is told."""
        if node.flow and all(isinstance(entry.value, Scalar) and not entry.value.text for entry in node.entries):
            self._say(node, "braces hold names with values", "names stand without braces: order.number")
            return False
        when = node.get("when")
        for entry in node.entries:
            meant = other_languages.key(entry.key.text, BLOCK_KEYS)[0] if entry.key.text not in BLOCK_KEYS else ""
            if isinstance(when, Scalar) and isinstance(entry.value, Scalar) and meant == "fields":
                write = f"write an expression: {entry.value.text} if {when.text} else …"
                self._say(entry.key, f"{entry.key.text} means nothing in a block", write)
                return False
        strange = [
            entry.key
            for entry in node.entries
            if entry.key.text not in BLOCK_KEYS and not self._meant(entry.key.text, BLOCK_KEYS)
        ]
        if strange and "fields" not in node.keys:
            names = ", ".join(each.text for each in strange)
            below = "and what else they are below it" if len(strange) > 1 else "below it"
            text = f"{names}: {'fields stand' if len(strange) > 1 else 'a field stands'} below `fields:`"
            write = f"write fields: and {strange[0].text}: … {below}; a map by name is '{{\"name\": value}}'"
            self._say(strange[0], text, write)
            return False
        return True

    def _meant(self, key: str, known: dict[str, str]) -> str:
        """The key that was meant by one that means nothing; empty where nobody can tell."""
        similar = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.75)
        return other_languages.key(key, known)[0] or (similar[0] if similar else "")

    def _tables(self, node: Node | None) -> tuple[Entry, ...]:
        if isinstance(node, Scalar) and node.text:
            self._say(node, "names of tables belong here", f"write lookups: [{node.text}]")
            return ()
        return self._entries(node, listed=True)

    def _table(self, entry: Entry) -> bool:
        """Whether a table inverts."""
        if isinstance(entry.value, Entries):
            self._known(entry.value, LOOKUP_KEYS, "of a table, whose rows are a CSV file of the deployment")
        elif not isinstance(entry.value, Scalar) or entry.value.text:
            write = f"write {entry.key.text}: with nothing behind it, or {entry.key.text}: {{inverts: true}}"
            self._say(entry.value, "a table's rows are a CSV file of the deployment", write)
        return self._inverts(entry.value)

    def _round_trip(self, node: Node | None) -> RoundTrip | None:
        if isinstance(node, Entries):
            self._known(node, ROUND_TRIP_KEYS, "in a round trip")
            by = self._needed(node.get("by"), node, "`by:` is missing", ROUND_TRIP_KEYS["by"])
            return RoundTrip(by=by, without=self._exprs(node.get("without")))
        return RoundTrip(by=self._needed(node, node)) if node is not None else None

    def _statuses(self, entry: Entry) -> Statuses:
        node = entry.value if isinstance(entry.value, Entries) else Entries(entries=(), start=entry.key.start, end=0)
        if "values" in node.keys or not node.entries:
            self._known(node, STATUS_KEYS, "in a status map")
        if "values" not in node.keys:
            self._say(entry.key, "a status map needs `values:`", "write values: and its rows below it")
        values = self._named(node.get("values"))
        for key, value in values:
            if len(value.text) > 2 and value.text[0] in "'\"" and value.text[0] == value.text[-1]:
                self._say(value.node, "a text stands here as it is", f"write {key.text}: {value.text[1:-1]}")
        return Statuses(
            name=Named(self.document, entry.key),
            values=values,
            otherwise=self._expr(node.get("otherwise")),
            inverts=self._inverts(node),
        )

    def _part(self, entry: Entry) -> Part:
        node = entry.value if isinstance(entry.value, Entries) else Entries(entries=(), start=entry.key.start, end=0)
        self._known(node, PART_KEYS, "in a part")
        for key in ("from", "to"):
            if key not in node.keys:
                self._say(entry.key, f"a part needs `{key}:`", PART_KEYS[key])
        return Part(
            name=Named(self.document, entry.key),
            given=self._named(node.get("from")),
            to=self._needed(node.get("to"), entry.key),
            block=self._block(entry.key, node),
            value=self._expr(node.get("value")),
        )

    def _requirements(self, node: Node | None) -> Iterator[Requirement]:
        if node is None:
            return
        if not isinstance(node, Items):
            self._say(node, "`require:` is a list", "write `- that: …` and below it `say: …`")
            return
        for item in node.items:
            if not isinstance(item, Entries):
                self._say(item, "a requirement has `that:` and `say:`")
                continue
            self._known(item, REQUIRE_KEYS, "in a requirement")
            say = self._text(item.get("say"))
            if re.fullmatch(r"f([\"']).*\1", say):
                self._say(item.get("say") or item, "a sentence stands without f and quotes", f"write say: {say[2:-1]}")
            if any(each not in REQUIRE_KEYS for each in item.keys):
                continue
            yield Requirement(
                that=self._needed(item.get("that"), item, "`that:` is missing", REQUIRE_KEYS["that"]),
                say=self._needed(item.get("say"), item, "`say:` is missing", REQUIRE_KEYS["say"]),
                field=self._field(item.get("field")),
            )

    def _field(self, node: Node | None) -> Named | None:
        text = self._text(node)
        return Named(self.document, node) if isinstance(node, Scalar) and text else None

    def _named(self, node: Node | None) -> tuple[tuple[Named, Expr], ...]:
        return tuple(
            (Named(self.document, entry.key), self._needed(entry.value, entry.key)) for entry in self._entries(node)
        )

    def _source(self, node: Node | None) -> tuple[tuple[Named, Expr], ...]:
        """What is read, by its name."""
        if isinstance(node, Scalar) and node.text and "=" not in node.text:
            name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.split(r"\W", node.text.rstrip("]"))[-1]).lower()
            write = f"write from: {{{name or 'order'}: {node.text}}}"
            self._say(node, "a record stands behind the name expressions call it by", write)
            return ()
        return self._named(node)

    def _entries(self, node: Node | None, *, listed: bool = False) -> tuple[Entry, ...]:
        if isinstance(node, Items) and not listed:
            self._say(node, "names with values belong here, and no list", "write `name: value` without `- ` before it")
            return ()
        if isinstance(node, Items):
            # a list of names says nothing more of each
            nothing = Entries(entries=(), start=node.start, end=node.start)
            return tuple(Entry(key=item, value=nothing) for item in node.items if isinstance(item, Scalar))
        if node is not None and not isinstance(node, Entries) and node.text:
            name, equals, value = node.text.partition("=")
            write = f"{name.strip()}: {value.strip()}" if equals and name.strip().isidentifier() else "name: value"
            self._say(node, "names with values belong here", f"write `{write}` on lines of their own")
        return node.entries if isinstance(node, Entries) else ()

    def _exprs(self, node: Node | None) -> tuple[Expr, ...]:
        if isinstance(node, Items):
            return tuple(self._needed(item, node) for item in node.items)
        one = self._expr(node)
        return (one,) if one is not None else ()

    def _expr(self, node: Node | None) -> Expr | None:
        return None if node is None else self._needed(node, node)

    def _needed(self, node: Node | None, at: Node, text: str = "an expression belongs here", write: str = "") -> Expr:
        if isinstance(node, Scalar):
            return Expr(self.document, node)
        self._say(node or at, text, write)
        return Expr(self.document, Scalar(text="none", start=at.start, end=at.end))

    def _text(self, node: Node | None) -> str:
        if node is not None and not isinstance(node, Scalar):
            self._say(node, "a text belongs here")
        return node.text.strip() if isinstance(node, Scalar) else ""

    def _whole(self, node: Node | None) -> int:
        text = self._text(node)
        if node is not None and not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) > 0):
            self._say(node, "a version is a whole number from 1 on", "version: 1")
            return 1
        return int(text or 1)

    def _inverts(self, node: Node) -> bool:
        said = node.get("inverts") if isinstance(node, Entries) else None
        text = self._text(said)
        if said is not None and text not in {"true", "false"}:
            self._say(said, "`inverts:` is true or false")
        return text == "true"

    def _known(self, node: Entries, known: dict[str, str], where: str) -> None:
        for entry in node.entries:
            if entry.key.text not in known:
                self.messages.append(unknown_key(self.document, entry.key, tuple(known), where))

    def _say(self, node: Node, text: str, write: str = "") -> None:
        self.messages.append(self.document.message(node.start, text, write))
