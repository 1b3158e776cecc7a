"""Texts: trimming, padding, taking apart, and fitting them to what a column can hold."""

import hashlib
import html
import unicodedata
from collections.abc import Sequence

from mapping.functions.faults import ITEMS_LIMIT, TEXT_LIMIT, FunctionError, bounded, length, shown

#: Time of `like` grows with text times pattern.
_PATTERN_LIMIT = 100
_LIKE_LIMIT = 2_000
#: Tags of HTML that may stand in the middle of a word.
_WITHIN_WORDS = frozenset(["a", "b", "em", "font", "i", "small", "span", "strong", "sub", "sup", "u"])
CODE_PAGES = frozenset(
    ["ascii", "latin-1", "utf-8", "cp437", "cp850", "cp852", "cp866", "cp874", "cp932", "cp936", "cp949", "cp950"]
    + [f"cp{number}" for number in range(1250, 1259)]
    + [f"iso8859-{number}" for number in range(1, 17) if number != 12]
)


def trim(text: str, characters: str = "") -> str:
    """The text without blanks (or the named characters) at both ends.

    Example:
        trim("  TP-1001 ") == "TP-1001"
    """
    return bounded(text).strip(characters or None)


def trim_start(text: str, characters: str = "") -> str:
    """The text without blanks (or the named characters) at its start: leading zeros, say.

    Example:
        trim_start("000123", "0") == "123"
    """
    return bounded(text).lstrip(characters or None)


def trim_end(text: str, characters: str = "") -> str:
    """The text without blanks (or the named characters) at its end.

    Example:
        trim_end("A-1  ") == "A-1"
    """
    return bounded(text).rstrip(characters or None)


def squeeze(text: str) -> str:
    """The text trimmed, with one space for every run of blanks and line ends in it.

    Example:
        squeeze(" 18   Mill  Lane ") == "18 Mill Lane"
    """
    return " ".join(bounded(text).split())


def plain_text(markup: str) -> str:
    """A text without the tags of HTML, in one line: descriptions of a store, for an ERP.

    Example:
        plain_text("<p>Leather &amp; cotton,<br/>  wash<b>able</b></p>") == "Leather & cotton, washable"
    """
    text, place = bounded(markup), 0
    made: list[str] = []
    while (start := text.find("<", place)) >= 0 and (end := text.find(">", start)) >= 0:
        name = text[start + 1 : start + 12].lstrip("/").partition(">")[0].partition(" ")[0].lower()
        made += [text[place:start], "" if name in _WITHIN_WORDS else " "]
        place = end + 1
    made.append(text[place:])
    return " ".join(bounded(html.unescape("".join(made))).split())


def pad_start(text: str, to_length: int, fill: str = " ") -> str:
    """The text filled up at its start; a longer one stays as it is.

    Example:
        pad_start("123", 6, "0") == "000123"
    """
    return bounded(text).rjust(length(to_length), one(fill))


def pad_end(text: str, to_length: int, fill: str = " ") -> str:
    """The text filled up at its end; a longer one stays as it is.

    Example:
        pad_end("A-1", 6) == "A-1   "
    """
    return bounded(text).ljust(length(to_length), one(fill))


def without_prefix(text: str, prefix: str) -> str:
    """The text without that start, where it has it.

    Example:
        without_prefix("WEB-1001", "WEB-") == "1001"
    """
    return bounded(text).removeprefix(prefix)


def without_suffix(text: str, suffix: str) -> str:
    """The text without that end, where it has it.

    Example:
        without_suffix("TP-1001-EA", "-EA") == "TP-1001"
    """
    return bounded(text).removesuffix(suffix)


def upper(text: str) -> str:
    """The text in capitals.

    Example:
        upper("each") == "EACH"
    """
    return bounded(text).upper()


def lower(text: str) -> str:
    """The text in small letters.

    Example:
        lower("Orders@Larchfield.Example") == "orders@larchfield.example"
    """
    return bounded(text).lower()


def capitalised(text: str) -> str:
    """Each word with a capital and the rest small, for names that were typed in capitals.

    Example:
        capitalised("SAN ANTONIO") == "San Antonio"
    """
    return " ".join(word[:1].upper() + word[1:].lower() for word in bounded(text).split(" "))


def length_of(text: str) -> int:
    """Number of characters.

    Example:
        length_of("Škoda") == 5
    """
    return len(text)


def contains(text: str, piece: str) -> bool:
    """Whether the piece stands in the text.

    Example:
        contains("UPS GROUND", "GROUND") == True
    """
    return piece in bounded(text)


def starts_with(text: str, piece: str) -> bool:
    """Whether the text begins so.

    Example:
        starts_with("TP-1001", "TP-") == True
    """
    return text.startswith(piece)


def ends_with(text: str, piece: str) -> bool:
    """Whether the text ends so.

    Example:
        ends_with("TP-1001-EA", "-EA") == True
    """
    return text.endswith(piece)


def before(text: str, mark: str) -> str:
    """What stands before the first mark; all of it where there is none.

    Example:
        before("TP-1001/RED", "/") == "TP-1001"
    """
    return bounded(text).partition(mark_of(mark))[0]


def after(text: str, mark: str) -> str:
    """What stands behind the first mark; empty where there is none.

    Example:
        after("clarity-main:1001", ":") == "1001"
    """
    return bounded(text).partition(mark_of(mark))[2]


def between(text: str, start: str, end: str) -> str:
    """What stands between two marks; empty where one of them is missing.

    Example:
        between("Net price [USD] each", "[", "]") == "USD"
    """
    inner, found, _ = after(text, start).partition(mark_of(end))
    return inner if found else ""


def replace(text: str, old: str, new: str) -> str:
    """The text with every old piece replaced.

    Example:
        replace("1001 A", " ", "-") == "1001-A"
    """
    grows = bounded(text).count(mark_of(old)) * (len(new) - len(old))
    length(max(len(text) + grows, 0))
    return text.replace(old, new)


def split(text: str, mark: str) -> tuple[str, ...]:
    """The trimmed pieces between the marks.

    Example:
        split("red, green,blue", ",") == ["red", "green", "blue"]
    """
    if bounded(text).count(mark_of(mark)) >= ITEMS_LIMIT:
        raise FunctionError(f"the text has more than {ITEMS_LIMIT} pieces")
    return tuple(piece.strip() for piece in text.split(mark))


def part(text: str, mark: str, number: int) -> str:
    """One piece between the marks, trimmed, counted from 1 (from the end: -1); empty where there is none.

    Example:
        part("US-TX-Austin", "-", 2) == "TX"
        part("a/b/c", "/", -1) == "c"
    """
    pieces = split(text, mark)
    if number == 0 or not -len(pieces) <= number <= len(pieces):
        return ""
    return pieces[number - 1 if number > 0 else number]


def join(texts: Sequence[str | None], separator: str = " ") -> str:
    """The texts in one, trimmed, without those that are absent or blank.

    Example:
        join(["400 Harbour Road", "", None, "Suite 12"], ", ") == "400 Harbour Road, Suite 12"
    """
    if len(texts) > ITEMS_LIMIT:
        raise FunctionError(f"{len(texts)} texts, more than {ITEMS_LIMIT}")
    kept: list[str] = []
    whole = 0
    for text in texts:
        if text:
            whole += len(text) + len(separator)
            if whole > TEXT_LIMIT:
                raise FunctionError(f"the texts have more than {TEXT_LIMIT} characters together")
            if piece := text.strip():
                kept.append(piece)
    return separator.join(kept)


def left(text: str, count: int) -> str:
    """The first characters.

    Example:
        left("20260302-17", 8) == "20260302"
    """
    return bounded(text)[: length(count)]


def right(text: str, count: int) -> str:
    """The last characters.

    Example:
        right("TP-1001", 4) == "1001"
    """
    return bounded(text)[-length(count) :] if count else ""


def middle(text: str, start: int, count: int) -> str:
    """So many characters from one on, the first being 1.

    Example:
        middle("20260302", 5, 2) == "03"
    """
    if start < 1:
        raise FunctionError(f"middle begins at 1, the first character, or later: not at {start}")
    return bounded(text)[start - 1 : start - 1 + length(count)]


def digits(text: str) -> str:
    """Only the digits 0 to 9 of a text.

    Example:
        digits("(512) 555-0117") == "5125550117"
    """
    return "".join(c for c in bounded(text) if "0" <= c <= "9")


def only(text: str, characters: str) -> str:
    """Only the named characters of a text.

    Example:
        only("A-10 b", "ABC0123456789") == "A10"
    """
    kept = frozenset(characters)
    return "".join(c for c in bounded(text) if c in kept)


def without(text: str, characters: str) -> str:
    """The text without the named characters.

    Example:
        without("TP-10.01", "-.") == "TP1001"
    """
    dropped = frozenset(characters)
    return "".join(c for c in bounded(text) if c not in dropped)


def like(text: str, pattern: str) -> bool:
    """Whether the whole text fits a pattern: `*` is anything, `?` one character, `#` one digit; letters as they are.

    Example:
        like("TP-1001-RED", "TP-####-*") == True
        like("TP-100", "TP-####*") == False
    """
    if len(pattern) > _PATTERN_LIMIT or len(text) > _LIKE_LIMIT:
        raise FunctionError(f"at most {_LIKE_LIMIT} characters of text and {_PATTERN_LIMIT} of pattern")
    at = place = 0
    star, resume = -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, resume = place, at
            place += 1
        elif place < len(pattern) and _fits(text[at], pattern[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            # only the last star ever has to give: at most text times pattern steps
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return all(c == "*" for c in pattern[place:])


def cut(text: str, at_most: int) -> str:
    """The text cut to so many characters, with no blank left at its end.

    Example:
        cut("Watering can, 9 l", 13) == "Watering can,"
    """
    return bounded(text)[: length(at_most)].rstrip()


def wrap(text: str, at_most: int) -> tuple[str, ...]:
    """A text in lines of at most so many characters, broken at blanks: a street, a description. A longer word is cut.

    Example:
        wrap("400 Harbour Road Suite 12", 18) == ["400 Harbour Road", "Suite 12"]
        wrap("", 30) == []
    """
    check_line(at_most)
    lines: list[str] = []
    for word in bounded(text).split():
        if lines and len(lines[-1]) + 1 + len(word) <= at_most:
            lines[-1] += f" {word}"
        else:
            lines.extend(word[at : at + at_most] for at in range(0, len(word), at_most))
    if len(lines) > ITEMS_LIMIT:
        raise FunctionError(f"{len(lines)} lines, more than {ITEMS_LIMIT}")
    return tuple(lines)


def cut_bytes(text: str, at_most: int, code_page: str = "utf-8") -> str:
    """The text cut to so many bytes of a code page, never within a character.

    Example:
        cut_bytes("Škoda", 3) == "Šk"
    """
    page, room = page_of(code_page), length(at_most)
    if len(text) <= room // 4:  # no character needs more bytes
        return text.rstrip()
    kept = 0
    for place, character in enumerate(bounded(text)):
        kept += len(_encoded(character, page))
        if kept > room:
            return text[:place].rstrip()
    return text.rstrip()


def to_ascii(text: str) -> str:
    """The text in plain Latin letters, digits and signs.

    Example:
        to_ascii("Škoda Ærø") == "Skoda Aero"
    """
    return bounded(_plain(bounded(text)))


def fit_code_page(text: str, code_page: str) -> str:
    """The text without control characters, and with plain letters for those that the code page lacks.

    Example:
        fit_code_page("Café Łódź", "cp1252") == "Café Lódz"
    """
    page = page_of(code_page)
    printable = "".join(c for c in bounded(text) if unicodedata.category(c)[0] != "C")
    if _holds(printable, page):
        return printable
    lacking = {ord(c): _plain(c) for c in set(printable) if not _holds(c, page)}
    return bounded(printable.translate(lacking))


def fits_code_page(text: str, code_page: str) -> bool:
    """Whether a code page holds the text as it is.

    Example:
        fits_code_page("Łódź", "cp1252") == False
    """
    return _holds(bounded(text), page_of(code_page))


def digest(text: str, to_length: int = 12) -> str:
    """A short name that is always the same for the same text (SHA-256 in capitals); for keys that must fit a column.

    Example:
        digest("clarity-main:1001", 8) == "EDACE3A7"
    """
    check_digits(to_length)
    return hashlib.sha256(bounded(text).encode("utf-8", "surrogatepass")).hexdigest()[:to_length].upper()


def check_line(at_most: int) -> None:
    """Look at how long a line may be.

    Raises:
        FunctionError: no character has room in it.
    """
    if length(at_most) < 1:
        raise FunctionError("a line has one character or more")


def check_digits(count: int) -> None:
    """Look at how long a digest is to be.

    Raises:
        FunctionError: too short to tell texts apart, or longer than there are digits.
    """
    if not 8 <= count <= 64:
        raise FunctionError(f"length {shown(count)}: from 8 to 64, fewer would meet by chance")


def check_pattern(pattern: str) -> None:
    """Look at a pattern of `like`.

    Raises:
        FunctionError: longer than any that is quick.
    """
    if len(pattern) > _PATTERN_LIMIT:
        raise FunctionError(f"the pattern has {len(pattern)} characters, more than {_PATTERN_LIMIT}")


def _plain(text: str) -> str:
    from anyascii import anyascii  # noqa: PLC0415 - brings its tables; a command that maps nothing does not wait

    return anyascii(text)


def one(fill: str) -> str:
    """The character itself.

    Raises:
        FunctionError: it is none, or several.
    """
    if len(fill) != 1:
        raise FunctionError(f"fill {shown(fill)}: one character")
    return fill


def mark_of(mark: str) -> str:
    """The mark itself.

    Raises:
        FunctionError: it is empty.
    """
    if not mark:
        raise FunctionError("the mark to look for is empty")
    return mark


def _fits(character: str, sign: str) -> bool:
    return sign in {"?", character} or (sign == "#" and "0" <= character <= "9")


def page_of(name: str) -> str:
    """A code page as Python calls it.

    Raises:
        FunctionError: it is none known here.
    """
    page = name.strip().lower().replace("windows-", "cp").replace("iso-8859", "iso8859")
    if page not in CODE_PAGES:
        raise FunctionError(f"{shown(name)} is no code page known here, such as cp1252 or iso8859-1")
    return page


def _holds(text: str, page: str) -> bool:
    try:
        text.encode(page)
    except UnicodeEncodeError:
        return False
    return True


def _encoded(character: str, page: str) -> bytes:
    try:
        return character.encode(page)
    except UnicodeEncodeError:
        raise FunctionError(f"the text has characters that {page} lacks: use fit_code_page first") from None
