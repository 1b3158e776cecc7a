"""Edits of a mapping file in place: each changes its own bytes and no other; for designers, assistants and commands."""

import re

from mapping.reader import Document, Entries, Node, Scalar
from mapping.yaml_faults import cut_at_a_comma

#: What YAML reads as the same text when nothing stands around it.
_PLAIN = re.compile(r"[A-Za-z0-9_(][^\n\r\t:#{}\[\],&*!|>'\"%@`\\]*", re.ASCII)


def replaced(document: Document, node: Node, value: str) -> bytes:
    """The file with another text in place of a scalar, a list or a block.

    Whatever stood in several lines stands in one then; comments outside of it stay.
    """
    start, end = document.byte_span(node)
    written = _written(value)
    if isinstance(node, Scalar) and document.text[node.start : node.start + 1] in {"|", ">"}:
        written += "\n" * (len(document.text[: node.end]) - len(document.text[: node.end].rstrip("\n")))
    return document.bytes[:start] + written.encode() + document.bytes[end:]


def added(document: Document, block: Entries, key: str, value: str) -> bytes:
    """The file with one more entry at the end of a block, indented as its others are.

    Raises:
        ValueError: the block is written with braces, or has no entry to stand behind.
    """
    if block.flow or not block.entries:
        raise ValueError("only a block with entries on lines of their own can be added to")
    last = block.entries[-1]
    line = document.text.rfind("\n", 0, last.key.start) + 1
    newline = "\r\n" if "\r\n" in document.text else "\n"
    indent = " " * (last.key.start - line)
    end = len(document.text[: block.end].rstrip("\r\n"))
    # a comment at the end of the line belongs to it
    stop = document.text.find("\n", end)
    stop = len(document.text) if stop < 0 else stop - (document.text[stop - 1] == "\r")
    entry = f"{newline}{indent}{_written(key)}: {_written(value)}"
    return (document.text[:stop] + entry + document.text[stop:]).encode("utf-8")


def _written(text: str) -> str:
    if _PLAIN.fullmatch(text) and text == text.strip() and not cut_at_a_comma(text):
        return text
    if "\n" in text or "\r" in text or "\t" in text or not text.isprintable():
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
    return "'" + text.replace("'", "''") + "'"
