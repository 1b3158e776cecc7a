"""A mapping written as data: what stages run, behind the same port as one written in Python."""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import DivisionByZero, getcontext, setcontext
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType, TracebackType
from typing import Any

from errors import BusError, MappingError
from mapping.bounds import CONTEXT
from mapping.compile import Compiled, compiled
from mapping.extend import collisions, contradictions, extended, misplaced
from mapping.kinds import strange
from mapping.messages import BrokenMappingError, Message
from mapping.port import Lookups
from mapping.quick import Quick
from mapping.quick import quick as quickened
from mapping.reader import plain
from mapping.records import Records
from mapping.signatures import Function, library
from mapping.spec import Spec, read

_ROOT = Path(__file__).parent.parent


class DataMapping:
    """A mapping file that can be called; checked and compiled when it is first needed.

    The same record, tables and time give the same result: nothing else can be reached from the language.
    """

    def __init__(
        self,
        content: bytes | Path,
        file: str,
        *,
        functions: Mapping[str, Function] | None = None,
        rules: Mapping[str, FunctionType] | None = None,
        of: "DataMapping | None" = None,
        records: Records | None = None,
    ) -> None:
        """Take a file's bytes.

        Args:
            content: The bytes of the file, or where it lies.
            file: Its name, for messages.
            functions: What it may call; the library if left out.
            rules: Named functions it may call besides; never of a stranger's making.
            of: The mapping it says it extends or replaces.
            records: Where its records are found; those of `schemas` if left out.
        """
        self._given = content
        #: Its file, as messages name it.
        self.file = file
        self._functions = functions
        #: The mapping it says it extends or replaces.
        self.of = of
        #: What it may call besides the library.
        self.rules: Mapping[str, FunctionType] = {**(of.rules if of else {}), **(rules or {})}
        self._records = records or Records()
        self._quick: Quick | None = None

    @cached_property
    def _content(self) -> bytes:
        return self._given if isinstance(self._given, bytes) else self._given.read_bytes()

    @cached_property
    def own(self) -> Spec:
        """What its own file says, without that of which it extends.

        Raises:
            BrokenMappingError: it cannot be understood.
        """
        return read(self._content, self.file)

    @cached_property
    def spec(self) -> Spec:
        """The file, read.

        Raises:
            BrokenMappingError: it cannot be understood, or replaces what has moved on.
        """
        own = self.own
        of = own.extends if own.extends is not None else own.replaces
        if of is None:
            return own
        if self.of is None:
            raise own.document.wrong(of.node.start, f"there is no mapping {of.text}")
        if wrong := contradictions(own, self.of.spec):
            raise BrokenMappingError([*wrong, *collisions(own, self.of.spec)])
        whole = extended(own, self.of.spec) if own.extends is not None else own
        if moved := collisions(own, self.of.spec):
            raise BrokenMappingError([*moved, *self._further(whole)])
        return whole

    @cached_property
    def compiled(self) -> Compiled:
        """The function it is.

        Raises:
            BrokenMappingError: it does not fit its records.
        """
        return self._compiled(self.spec)

    def _compiled(self, spec: Spec) -> Compiled:
        functions = self._functions if self._functions is not None else library()
        try:
            return compiled(spec, self._records, functions, self.rules)
        except BrokenMappingError as broken:
            if self.of is None or all(message.file == self.file for message in broken.messages):
                raise
            # what is said of our file comes of what this one says instead
            raise BrokenMappingError([*misplaced(self.own, self.of.spec), *broken.messages]) from None

    def _further(self, spec: Spec) -> tuple[Message, ...]:
        """What is wrong besides with one that is to be looked at as ours moved on."""
        try:
            self._compiled(spec)
        except BrokenMappingError as broken:
            return broken.messages
        return ()

    @cached_property
    def _counts(self) -> bool:
        """Setting the bounds of numbers takes as long as a small mapping does."""
        return self.compiled.counts

    def require_runnable(self) -> None:
        """Compile it now, and not with the first record.

        Raises:
            BrokenMappingError: it cannot be run.
        """
        _ = self.compiled

    @property
    def id(self) -> str:
        """Where it stands in the tree, without the ending."""
        return self.spec.id

    @property
    def version(self) -> int:
        """Raised with every change of meaning."""
        return self.spec.version

    @cached_property
    def own_digest(self) -> str:
        """Of what its own file says and of the rules it names: what its version number stands for.

        Comments and the `about:` may be mended without another version; of what it extends nothing is in it.
        """
        own = self.own
        known = hashlib.sha256(plain(own.document.root, leave_out="about").encode())
        for text in self.rule_texts(own):
            known.update(text.encode())
        return known.hexdigest()[:12]

    def rule_texts(self, spec: Spec) -> list[str]:
        """Python of the rules that a file names."""
        return sorted({_text_of(self.rules[rule.text]) for rule in spec.rules if rule.text in self.rules})

    @cached_property
    def digest(self) -> str:
        """Of all that is part of what it does, ours below an extension included.

        Whoever stamps it is about to run it, and must not find out with the first record that it is broken.

        Raises:
            BrokenMappingError: it cannot be run.
        """
        self.require_runnable()
        if self.of is None or self.spec.extends is None:
            return self.own_digest
        return hashlib.sha256(f"{self.own_digest}{self.of.digest}".encode()).hexdigest()[:12]

    def __call__(self, record: Any, lookups: Lookups, now: datetime) -> Any:
        """The target record.

        Raises:
            MappingError: a field cannot be turned into the target's; names it.
        """
        quick = self._quick
        if quick is None:
            quick = self._quick = quickened(self.compiled)
        numbers = before = quick.numbers
        if numbers is not None:
            before = getcontext()
            setcontext(numbers)
        try:
            return quick.function(record, lookups, now)
        except Exception:  # noqa: BLE001, S110 - the careful form makes it all the same, or says what is wrong with it
            pass
        finally:
            if before is not None:
                setcontext(before)
        return self.run(self.compiled.function, record, lookups, now)

    def run(self, function: Callable[..., Any], record: Any, lookups: Lookups, now: datetime) -> Any:
        """The same by its function, or one made of it that has as many lines.

        Raises:
            MappingError: a field cannot be turned into the target's; names it.
        """
        before = getcontext() if self._counts else None
        if before is not None:
            setcontext(CONTEXT)
        try:
            return function(record, lookups, now)
        except MappingError as error:
            raise self._named(error, error) from error
        except BusError:
            raise
        except Exception as error:
            # checked as it is, a value can still be of another kind than its record says
            name, type_ = self.compiled.given
            reason = _said(error) or strange(record, type_, name) or f"cannot be worked out ({type(error).__name__})"
            raise self._named(MappingError("", reason), error) from error
        finally:
            if before is not None:
                setcontext(before)

    def _named(self, error: MappingError, raised: Exception) -> MappingError:
        """The error with the field whose line failed, unless it names its own."""
        if error.field:
            return error
        paths: list[str] = []
        trace: TracebackType | None = raised.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.file:
                path = self.compiled.fields.get(trace.tb_lineno, "")
                # a comprehension stands in the line it is called from; a part's fields are those of the field it makes
                if path and (not paths or trace.tb_frame.f_code.co_name.isidentifier()):
                    paths.append(path.format_map(_Turns(trace.tb_frame.f_locals)))
            trace = trace.tb_next
        facts = {key: value for key, value in error.facts.items() if key not in {"field", "reason"}}
        return MappingError(".".join(paths) or "record", error.reason, **facts)


def from_file(path: str, rules: ModuleType | None = None) -> DataMapping:
    """The mapping in one of our own files; it is read and checked when it is first needed.

    Args:
        path: Below the root of the tree, as messages name it.
        rules: The module beside it; what its `__all__` has of functions may be named under `rules:`.
    """
    # a deployment's mapping may name them, too: what the module itself imports is not among them
    named = {name: getattr(rules, name) for name in rules.__all__} if rules is not None else {}
    functions = {name: each for name, each in named.items() if isinstance(each, FunctionType)}
    return DataMapping(_ROOT / path, path, rules=functions)


def _text_of(rule: FunctionType) -> str:
    """A rule with the helpers beside it; of one that others use as well, such as `root_key`, itself alone."""
    path = Path(rule.__code__.co_filename)
    return path.read_text(encoding="utf-8") if path.name == "rules.py" else inspect.getsource(rule)


class _Turns(dict[str, Any]):
    """The turns that loops had come to, by the list they were making."""

    def __getitem__(self, key: str) -> int:
        return len(self.get(key, ())) + 1


def _said(error: Exception) -> str:
    if isinstance(error, DivisionByZero | ZeroDivisionError) or "DivisionUndefined" in str(error):
        return "divided by zero"
    if isinstance(error, ArithmeticError):
        return "a number is wider than any amount, none (NaN), or divided by zero"
    return "takes more memory than there is" if isinstance(error, MemoryError) else ""
