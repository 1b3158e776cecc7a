"""What people write who know other languages, and what is written here instead; for messages only."""

import re
from collections.abc import Iterable, Mapping

import msgspec

_LIST = "write [line.sku for line in order.lines]"
_DEFAULT = "write default(x, y), of texts also `x or y`"
_ABSENT = "write `x is none`, or is_blank(x) of a text"
_CHOICE = "write `a if condition else b`; for many values a map under `statuses:`"
_CUT = "write x[0:5], left(x, 5), right(x, 5) or middle(x, 1, 5)"
_NOW = 'write now, without brackets: the event\'s time; its day is today("America/Chicago")'
_LENGTH = "write count(…), or length_of(…) of a text"
_TEXT = 'write f"{…}", or to_text(…) of a value of any kind'
_WHOLE = "write to_integer(…) for a text, whole(…) for a number"
_DECIMAL = "numbers are decimals here: to_decimal(…) of a text, round(…, 2) of a number"
_DATE = (
    'write to_date(…, "%Y-%m-%d"), or to_instant(…, "America/Chicago") with a time; a moment\'s day is date_in(…, zone)'
)
_FORMAT = 'write format_decimal(…), format_date(…, "%Y-%m-%d") or format_instant(…, "%Y-%m-%d %H:%M", zone)'
_ZONE = (
    'a moment has no zone: write date_in(…, "America/Chicago") for its day there, '
    'format_instant(…, "%Y-%m-%d %H:%M", "America/Chicago") for a text'
)
_PIECE = 'write to_integer(format_instant(…, "%Y", "America/Chicago")), with %m for the month, %d for the day'
_PATTERN = 'there are no regular expressions: like(x, "TP-*"), only(…), without(…), digits(…), replace(…)'
_STEADY = "the same record must become the same: make it of the record's own keys, with digest(…) if it must be short"
_RULE = "it belongs in a function of the `rules.py` beside the file"
_TABLE = 'write lookup("table", key), and the table under `lookups:`'
_LATER = (
    'write add_days(date_in(now, "America/Chicago"), 30) for a day, from_epoch(to_epoch(now, "s") + 3600, "s") for a '
    "moment"
)
_PAD_START, _PAD_END = 'write pad_start(x, 6, "0")', "write pad_end(x, 10)"
_BLANKS_AT = {"start": "write trim_start(…)", "end": "write trim_end(…)"}
_MANY = "write sum(line.price for line in order.lines if …), count(…) likewise"

_FUNCTIONS: Mapping[tuple[str, ...], str] = {
    ("coalesce", "nvl", "ifnull", "ifnone", "firstnonnull", "getordefault"): _DEFAULT,
    ("isnull",): f"{_ABSENT}; with two values default(x, y)",
    ("isnone", "isempty", "empty", "isnullorempty", "exists", "defined", "isdefined", "isset", "notnull"): _ABSENT,
    ("isnotnull", "isnotempty", "isnullorwhitespace", "present", "ispresent"): _ABSENT,
    ("nullif",): "write `none if x == y else x`",
    ("iif", "if", "ifthenelse", "ifelse", "ternary", "when", "case", "decode", "switch", "choose"): _CHOICE,
    ("substring", "substr", "mid", "slice"): _CUT,
    ("now", "getdate", "getutcdate", "utcnow", "currenttimestamp", "currentdate", "sysdate", "datenow"): _NOW,
    ("len", "length", "size", "strlen", "charlength"): _LENGTH,
    ("toupper", "touppercase", "upcase", "ucase", "uppercase"): "write upper(…)",
    ("tolower", "tolowercase", "downcase", "lcase", "lowercase"): "write lower(…)",
    ("capitalize", "proper", "initcap", "title", "titlecase"): "write capitalised(…)",
    ("strip",): "write trim(…)",
    ("ltrim", "lstrip", "trimleft", "striplead"): _BLANKS_AT["start"],
    ("rtrim", "rstrip", "trimright", "striptrail"): _BLANKS_AT["end"],
    ("lpad", "leftpad", "padleft", "zfill", "rjust", "padzero"): _PAD_START,
    ("rpad", "rightpad", "padright", "ljust"): _PAD_END,
    ("pad",): f"{_PAD_START}, or pad_end(x, 10)",
    ("concat", "concatenate", "strcat", "concatws"): 'write f"{a} {b}", or join([a, b], " ") without what is blank',
    ("str", "tostring", "string", "tostr", "text", "tochar"): _TEXT,
    ("int", "integer", "parseint", "toint", "long", "cint"): _WHOLE,
    ("float", "double", "decimal", "number", "tonumber", "parsefloat", "tofloat", "money", "cast"): _DECIMAL,
    ("bool", "boolean", "tobool", "cbool"): "write to_boolean(…)",
    ("date", "parsedate", "strptime", "datetime", "todatetime", "totimestamp", "timestamp", "parsedatetime"): _DATE,
    ("fromisoformat", "isodate", "strtodate", "cdate"): _DATE,
    ("format", "strftime", "dateformat", "formatdatetime", "numberformat", "formatnumber", "printf"): _FORMAT,
    ("year", "month", "day", "hour", "minute", "datepart", "weekday"): _PIECE,
    ("dateadd", "adddate", "adddays", "timedelta", "plusdays"): "write add_days(…, 30)",
    ("addmonths", "addyears"): "write add_days(…, 30), or last_of_month(…)",
    ("datediff", "daysdiff"): "write days_between(first, second)",
    ("astimezone", "totimezone", "attimezone", "converttimezone", "converttz", "tolocaltime", "localize"): _ZONE,
    ("avg", "average", "mean"): "write round(sum(…) / count(…), 2)",
    ("map", "select", "foreach", "collect", "pluck", "transform"): _LIST,
    ("filter", "findall", "where", "selectmany"): "write [line for line in order.lines if line.quantity > 0]",
    ("find", "firstordefault", "single"): "write first(line for line in order.lines if …)",
    ("reduce", "fold", "aggregate", "accumulate", "sumif", "countif", "sumproduct", "total"): _MANY,
    ("flatten", "flatmap"): "write [tag for line in order.lines for tag in line.tags]",
    ("regex", "match", "matches", "resub", "sub", "regexreplace", "regexmatch", "regexp", "test"): _PATTERN,
    ("search", "fullmatch", "findstring", "regexextract"): _PATTERN,
    ("includes", "has", "contain", "instr", "indexof", "charindex", "position", "strpos"): (
        'write contains(x, "…"), before(x, "…") or after(x, "…")'
    ),
    ("ceil", "ceiling", "roundup"): 'write round(x, 0, "ceiling")',
    ("floor", "rounddown", "trunc", "truncate", "fix"): 'write round(x, 0, "floor")',
    ("tofixed", "quantize", "bankersround"): "write round(x, 2)",
    ("pow", "power", "sqrt", "exp", "log", "log10"): "mappings know no powers: multiply",
    ("mod", "modulo"): "write a % b",
    ("get", "getvalue", "getattr", "getitem", "dictget", "tryget"): (
        'write order.number for a field, order.extra["gift"] for what a map has, default(…, "") where it is absent'
    ),
    ("keys", "values", "entries"): "write … for name, value in order.extra.items()",
    ("append", "push", "add", "extend", "insert"): "write one + [other]",
    ("uuid", "uuid4", "guid", "newid", "newguid", "random", "rand", "randint", "nextval", "sequence"): _STEADY,
    ("md5", "sha1", "sha256", "hash", "crc32", "checksum"): "write digest(…)",
    ("json", "jsonparse", "parsejson", "tojson", "fromjson", "dumps", "loads", "stringify", "jsonvalue"): (
        f"map_of(…) and list_of(…) read what is a value of any kind already; a text in JSON: {_RULE}"
    ),
    ("base64", "b64encode", "urlencode", "encode", "decodebase64", "xpath"): _RULE,
    ("env", "getenv", "environ", "config", "setting", "settings", "parameter", "secret"): (
        'write option(order.connection, "name", "…"), a setting of the connection'
    ),
    ("vlookup", "hlookup", "xlookup", "dlookup", "lookupvalue", "lookuptable"): _TABLE,
    ("print", "echo", "debug", "console"): "nothing is printed: `towpath mapping explain` tells each step",
    ("raise", "throw", "error", "fail", "abort", "reject", "panic"): 'write refuse("why"), or `require:`',
    ("assert", "validate", "check"): "write it under `require:`, with `that:` and `say:`",
    ("list", "array", "tolist", "toarray"): "write [… for … in …]",
    ("set", "unique", "uniq", "dedupe"): "write distinct(…)",
    ("dict", "object", "zipobject", "map2"): 'write {"name": value}, or {name: value for name, value in ….items()}',
    ("tuple",): "write a list: [a, b]",
    ("enumerate",): "write … for n, line in enumerate(order.lines)",
    ("range",): "a loop runs over a list of the record, or one written down: [1, 2, 3]",
    ("reversed", "reverse"): "write sorted(…, reverse=true), or `order by: … descending`",
    ("zip",): "write … for a, b in zip(one, other)",
    ("sort", "sortby", "orderby"): "write sorted(…), or `order by:` in a block",
    ("group", "groupby"): "write `group by:` in a block with `each:`",
    ("isnumeric", "isnumber", "isdigit", "isnan", "isint"): "write is_decimal(…)",
    ("replaceall",): "write replace(…)",
    ("tail", "lastordefault"): "write last(…)",
    ("head",): "write first(…), or x[0]",
}  # fmt: skip
_BY_FUNCTION = {name: write for names, write in _FUNCTIONS.items() for name in names}
#: Names that stand for a value there.
_VALUES = {
    **dict.fromkeys(("null", "nil", "undefined", "nothing", "missing"), "write none, or unset for the field's default"),
    **dict.fromkeys(("true", "false", "none", "unset"), "write it in small letters"),
    **dict.fromkeys(("yes", "on"), "write true"),
    **dict.fromkeys(("no", "off"), "write false"),
    **dict.fromkeys(("today", "sysdate", "current_date", "current_timestamp", "getdate"), _NOW),
}
#: Names for what is read.
_RECORD = frozenset(
    (
        *("input", "source", "record", "this", "self", "context", "ctx", "root", "data", "payload", "event", "msg"),
        *("message", "doc", "document", "body", "row", "item", "obj", "src"),
    )
)
#: Keys with what to write, and what others call them.
_KEYS = tuple(
    (key, write, frozenset(names.split()))
    for key, write, names in (
        ("when", "when: for what is made once; in a loop where:", "if condition only_if only-if"),
        ("where", "where: …", "filter only only_where"),
        ("fields", "fields: for what is made, or an expression: `a if condition else b`", "then do yield"),
        ("otherwise", "otherwise: …, or an expression: default(x, y)", "else default fallback orelse"),
        ("each", "each: line in order.lines", "for foreach for_each for-each loop iterate repeat over"),
        ("order by", "order by: …", "sort sort_by sortby order orderby"),
        ("group by", "group by: …", "group groupby"),
        ("number", "number: n", "index counter position line_number numbered"),
        ("fields", "the expression alone, behind the field's name", "value expr expression formula source path"),
        ("text", "text: …", "const constant literal static"),
        ("let", "let: …", "variables vars set with define"),
        ("say", "say: …", "message error msg reason because"),
        ("that", "that: …", "if when check assert rule must expect condition"),
        ("values", "values: …", "map rows cases table mapping"),
        ("from", "from: …", "given input inputs args arguments parameters params source"),
        ("to", "to: …", "returns output result target makes"),
        ("require", "require: …", "validate validations requires constraints checks"),
        ("about", "about: …", "description comment doc"),
        ("mapping", "mapping: …", "name id"),
        ("parts", "parts: …", "functions templates definitions macros"),
        ("extends", "extends: …", "base inherits parent overrides"),
        ("statuses", "statuses: …", "enums status valuemaps"),
        ("lookups", "lookups: …", "tables lookup"),
        ("inverts", "inverts: true", "unique invertible inverse reversible invert"),
    )
)
#: Names of kinds of values.
TYPES: Mapping[str, str] = {
    **dict.fromkeys(("string", "str", "varchar", "char", "String"), "text"),
    **dict.fromkeys(("number", "float", "double", "money", "numeric", "Decimal", "amount"), "decimal"),
    **dict.fromkeys(("int", "long", "whole", "Integer"), "integer"),
    **dict.fromkeys(("bool", "truth"), "boolean"),
    **dict.fromkeys(("datetime", "timestamp", "moment", "time"), "instant"),
    **dict.fromkeys(("array", "list", "list[]"), "list[text]"),
    **dict.fromkeys(("dict", "object", "map", "record"), "map[text], or a record such as canonical.order.Order"),
}


class Foreign(msgspec.Struct, frozen=True):
    """A piece of another language in an expression."""

    at: int
    #: What means nothing here.
    text: str
    write: str


def _sign(sign: str) -> str:
    return f"`{sign}` means nothing here"


#: Pattern, what is said of it (`{}` is what was found), what to write. The first that is found counts.
_SYNTAX: tuple[tuple[str, str, str], ...] = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[:\dZ.+]*", "a moment is no number", 'write to_instant("{}", "America/Chicago")'),
    (r"(?<![\w.])\d{4}-\d\d?-\d\d?(?!\w)", "a date is no number", 'write to_date("{}")'),
    (r"\{\{|\$\{", _sign("{}"), "names stand without braces: order.number"),
    (r"[$€£]\s*\d[\d.,]*", "an amount is its number alone", "write it with a point: 5.00"),
    (r"\$\.?(?=\w)", _sign("{}"), "names stand as they are: order.number"),
    (r"%\w+%|@\w+", _sign("{}"), "names stand as they are: order.number"),
    (r"^\s*(if|case|CASE|when)\b|(?<![.\w])(then|elif|elseif|THEN|WHEN)\b", _sign("{}"), _CHOICE),
    (r"(?<![.\w])lambda\b", _sign("{}"), _LIST),
    (r"&&", _sign("{}"), "write `and`"),
    (r"\|\|", _sign("{}"), 'write `or`; texts are put together as f"{{a}}{{b}}"'),
    (r"\?\?", _sign("{}"), _DEFAULT),
    (r"\?\.", _sign("{}"), 'write default(order.buyer.name, "")'),
    (r"\?\s*:", _sign("{}"), "write `x or y` of texts, default(x, y) of others"),
    (r"\?", _sign("{}"), "write `a if condition else b`"),
    (r"!==", _sign("{}"), "write `!=`"),
    (r"===", _sign("{}"), "write `==`"),
    (r"!(?!=)", _sign("{}"), "write `not`"),
    (r"<>", _sign("{}"), "write `!=`"),
    (r"=>", _sign("{}"), _LIST),
    (r"\+\+|--\s*$|[-+*/]=", _sign("{}"), "nothing is changed: give the new value a name under `let:`"),
    (r"->|::", _sign("{}"), "write a point: order.number"),
    (r"\.\.+", _sign("{}"), "write one point"),
    (r"(?<=\w)\[\s*\*?\s*\]", _sign("{}"), f"{_LIST}, or order.lines[0] for the first"),
    (r"(?<=[A-Za-z_])\.\d+", _sign("{}"), "a place in a list is written order.lines[0]"),
    (r"^\s*=(?!=)", _sign("="), "leave it out: the expression stands alone"),
    (r"(?<![=!<>])=(?!=)", _sign("="), "compare with `==`"),
    (r"\d[\d.]*\s*%", "{} is no number", "write 0.05 for 5 %, or percent_of(order.total, 5)"),
    (r"\d[\d.]*\s+[A-Z]{3}\b", "an amount is its number alone", "write it with a point: 5.00"),
    (r"(?<![.\w])\d+\s+(?:second|minute|hour|day|week|month|year)s?\b", "{} is no number", _LATER),
    (r"(?<![.\w])unless\b", _sign("{}"), "write `a if not condition else b`"),
    (r"(?<![.\w])(AND|OR|NOT|IN|IS|IF|ELSE|FOR)\b", _sign("{}"), "write it in small letters"),
    (r"(?<![.\w])(between|BETWEEN)\b", _sign("{}"), "write `1 <= x <= 5`"),
    (r"(?<![.\w])(like|LIKE)\b(?!\s*\()", _sign("{}"), 'write like(order.number, "TP-*")'),
    (r"(?<![.\w])(mod|MOD)\b(?!\s*\()", _sign("{}"), "write `%`"),
    (r"(?<![.\w])(as|AS)\b", _sign("{}"), "write what turns it: to_decimal(…), to_date(…)"),
    (r"(?<![.\w])(desc|asc|DESC|ASC)\b", _sign("{}"), "write `… descending`, or nothing"),
    (r"(?<![.\w])(where|WHERE)\b", _sign("{}"), "write `if` in a list, `where:` in a block of its own"),
    (r"(?<![.\w])(return|var|let|const|del)\b", _sign("{}"), "leave it out: an expression is its value"),
    (r"(?<![.\w])(import|def|class|try|while|with|global)\b", _sign("{}"), "there are expressions only"),
    (r"^\s*for\b", _sign("{}"), _LIST),
    (r"(?<![\w.])0\d+\b", "a number does not begin with 0", 'a text stands in quotes: "{}"'),
    (r"/\*|//(?=\s*\w+\s+\w)|^\s*--", _sign("{}"), "a comment begins with ` #`"),
    (r";", _sign("{}"), "leave it out"),
    (r"^\s*\.", "a field's record is missing before the point", "write order.number"),
    (r"\.\s*$", "a field's name is missing behind the point", "write order.number"),
    (r"^\s*~\s*$", _sign("{}"), "write none"),
    (r"(?<=[A-Za-z_]):(?=[A-Za-z_])", _sign("{}"), "write a point for a field: order.number"),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern), text, write) for pattern, text, write in _SYNTAX)
#: Those that Python takes for something else.
_TAKEN = frozenset(_PATTERNS[:2])


def function(called: str, known: Iterable[str]) -> str:
    """What to write for a function that others have; empty where nobody can tell."""
    names = set(known)
    folded = called.replace("_", "").lower()
    same = next((name for name in names if name.replace("_", "") == folded), "")
    return f"write {same}(…)" if same and same != called else _BY_FUNCTION.get(folded, "")


def value(called: str) -> str:
    """What to write for a name that is a value there; empty where nobody can tell."""
    return _VALUES.get(called.lower(), "")


def key(called: str, known: Iterable[str]) -> tuple[str, str]:
    """The key that is meant by what others call so, and what to write; both empty where nobody can tell."""
    if re.fullmatch(r"(for )?\w+ (of|in) [\w.]+", called) and "each" in known:
        return "each", "each: line in order.lines, and fields: below it"
    name, known = called.strip().lower().replace(" ", "_"), frozenset(known)
    return next(((key, write) for key, write, names in _KEYS if name in names and key in known), ("", ""))


def later(shown: str, sign: str = "+") -> str:
    """What to write for some time after a moment, or before it."""
    days = f'add_days(date_in({shown}, "America/Chicago"), {sign if sign == "-" else ""}30)'
    return f'write {days} for a day, from_epoch(to_epoch({shown}, "s") {sign} 3600, "s") for a moment'


def is_record(called: str) -> bool:
    """Whether it is a name others have for what is read."""
    return called.lower() in _RECORD


def syntax(text: str, *, taken: bool = False) -> Foreign | None:
    """The first piece of another language in an expression, outside of its texts in quotes.

    Args:
        text: The expression.
        taken: Look only for what is an expression, too, and of another meaning.
    """
    bare = re.sub(r"\"[^\"]*\"|'[^']*'|#.*", lambda quoted: "\0" * len(quoted[0]), text)
    for pattern, said, write in _PATTERNS:
        if taken and (pattern, said, write) not in _TAKEN:
            continue
        if found := pattern.search(bare):
            shown = found[0].strip()
            return Foreign(
                found.start() + len(found[0]) - len(found[0].lstrip()), said.format(shown), write.format(shown)
            )
    return None
