"""The daily statement as tables of text, the same on a terminal, in a file and as PDF; and the PDF itself."""

import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import msgspec
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from operations.sentences import sentence
from operations.statement import ENDED, OPEN, Entry, Figure, Statement, Where, total

TITLES: Mapping[Where, str] = {
    Where.HELD: "Held",
    Where.REFUSED: "Refused, waiting for a person",
    Where.IN_FLIGHT: "In flight",
    Where.DOCUMENT: "Documents",
    Where.CANCELLED: "Cancelled",
    Where.GIVEN_UP: "Given up",
    Where.NEEDLESS: "Nothing to do",
}


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table under its title; columns that hold numbers stand to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    #: Index of the columns of numbers.
    numbers: frozenset[int] = frozenset()
    note: str = ""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A whole statement."""

    title: str
    subtitle: str
    verdict: str
    tables: tuple[Table, ...]


def page(found: Statement) -> Page:
    """What people read; pure."""
    zone = ZoneInfo(found.time_zone)
    until = found.until.astimezone(zone)
    so_far = "" if until.time().isoformat() == "00:00:00" else f", so far until {until:%H:%M:%S}"
    return Page(
        title=f"Statement of {found.store} and {found.erp}",
        subtitle=f"{found.day:%A %Y-%m-%d}, {found.time_zone}{so_far}",
        verdict=_verdict(found),
        tables=(_here(found), _there(found), _balance(found), *_appendix(found, zone)),
    )


def as_text(whole: Page) -> str:
    """Aligned by blanks, for terminals and files; pure."""
    lines = [whole.title, whole.subtitle, ""]
    for table in whole.tables:
        rows = [table.columns, *table.rows]
        widths = [max(len(row[number]) for row in rows) for number in range(len(table.columns))]
        lines += [table.title, "-" * len(table.title)]
        lines += [_aligned(row, widths, table.numbers) for row in rows]
        lines += [table.note] if table.note else []
        lines.append("")
    return "\n".join([*lines, whole.verdict]) + "\n"


def as_pdf(whole: Page) -> bytes:
    """A4 pages; the same statement gives the same bytes."""
    styles, written = getSampleStyleSheet(), io.BytesIO()
    parts: list[object] = [
        Paragraph(_shown(whole.title), styles["Title"]),
        Paragraph(_shown(whole.subtitle), styles["Normal"]),
        Paragraph(f"<b>{_shown(whole.verdict)}</b>", styles["Normal"]),
    ]
    for table in whole.tables:
        parts += [Spacer(0, 5 * mm), Paragraph(_shown(table.title), styles["Heading3"])]
        small = styles["BodyText"].clone("cell", fontSize=8, leading=10, spaceBefore=0)
        # numbers as they are, so that they stand to the right; words fold in their column
        cells = [
            [_shown(cell, plain=True) if at in table.numbers else Paragraph(_shown(cell), small) for at, cell in row]
            for row in (list(enumerate(row)) for row in (table.columns, *table.rows))
        ]
        parts.append(LongTable(cells, colWidths=_widths(table), repeatRows=1, style=_style(table)))
        parts += [Paragraph(_shown(table.note), small)] if table.note else []
    document = SimpleDocTemplate(
        written,
        pagesize=A4,
        leftMargin=15 * mm,
        rightMargin=15 * mm,
        topMargin=15 * mm,
        bottomMargin=18 * mm,
        title=whole.title,
        subject=whole.subtitle,
        invariant=1,
    )

    def numbered(canvas: object, template: object) -> None:
        canvas.setFont("Helvetica", 8)  # type: ignore[attr-defined]  # the library ships no types
        where = f"{whole.title} - {whole.subtitle} - page {template.page}"  # type: ignore[attr-defined]  # no types
        canvas.drawString(15 * mm, 10 * mm, _shown(where, plain=True))  # type: ignore[attr-defined]  # no types

    document.build(parts, onFirstPage=numbered, onLaterPages=numbered)
    return written.getvalue()


def _verdict(found: Statement) -> str:
    if found.at_the_store.uncaptured:
        return f"{len(found.at_the_store.uncaptured)} orders the store lists as changed are not known here."
    if not found.balanced:
        return "It does not add up."
    if found.at_the_store.not_asked:
        return f"It adds up. The store was not asked what it lists: {found.at_the_store.not_asked}"
    return "It adds up, and nothing the store lists is missing."


def _here(found: Statement) -> Table:
    store, orders = found.store, "canonical orders, as told by the store"
    asked = found.at_the_store
    listed = "not asked" if asked.not_asked else str(asked.listed)
    unknown = "not asked" if asked.not_asked else str(len(asked.uncaptured))
    rows = [
        ("listed as changed by the store", Figure(), f"asked of {store}", listed),
        ("of these not known here", Figure(), f"asked of {store}", unknown),
        ("new orders", found.came_in, orders, ""),
        ("changed or tried again", found.opened_again, orders, ""),
        ("refused before an order was made", Figure(orders=found.refused_before), "intake book", ""),
        ("being read", Figure(orders=found.being_read), "intake book", ""),
    ]
    return _figures(found, f"Here: {store}", rows)


def _there(found: Statement) -> Table:
    rows = [
        ("documents", found.ended[Where.DOCUMENT], f"outcomes of {found.erp}", ""),
        ("cancelled", found.ended[Where.CANCELLED], f"outcomes of {found.erp}", ""),
    ]
    return _figures(found, f"There: {found.erp}", rows)


def _balance(found: Statement) -> Table:
    kept, told = "standing when the day began", f"outcomes of {found.erp}"
    rows = [("open when the day began", found.opening, kept, "")]
    rows += [("+ new orders", found.came_in, "canonical orders", "")]
    rows += [("+ changed or tried again", found.opened_again, "canonical orders, outcomes", "")]
    rows += [("+ change of totals of open orders", found.changed, "canonical orders", "-")]
    rows += [(f"- {TITLES[where].lower()}", found.ended[where], told, "") for where in ENDED]
    rows += [("= open when it ended", total(found.closing), "standing when it ended", "")]
    rows += [(f"   {TITLES[where].lower()}", found.closing[where], told, "") for where in reversed(OPEN)]
    rows += [("difference", found.difference, "sum of the lines above", "")]
    return _figures(found, "Balance", rows)


def _figures(found: Statement, title: str, rows: Iterable[tuple[str, Figure, str, str]]) -> Table:
    """Lines of name, figure, source and what stands for the number of orders where that is another one."""
    currencies = _currencies(found)
    return Table(
        title=title,
        columns=("line", "orders", *currencies, "told by"),
        rows=tuple(
            (name, number or str(figure.orders), *(_amount(figure.money.get(each)) for each in currencies), source)
            for name, figure, source, number in rows
        ),
        numbers=frozenset(range(1, 2 + len(currencies))),
    )


def _currencies(found: Statement) -> list[str]:
    figures = [found.opening, found.came_in, found.opened_again, found.changed, *found.ended.values()]
    return sorted({each for figure in (*figures, *found.closing.values()) for each in figure.money})


def _appendix(found: Statement, zone: ZoneInfo) -> Iterator[Table]:
    for where in (*reversed(OPEN), *ENDED):
        listed = found.appendix[where]
        if not listed.entries:
            continue
        yield Table(
            title=TITLES[where],
            columns=("order", "amount", "document", "since", "why"),
            rows=tuple(
                (
                    each.root_key,
                    f"{_amount(each.amount)} {each.currency}".strip(),
                    each.document_number or "-",
                    _moment(each.since, zone),
                    _why(each, found.erp),
                )
                for each in listed.entries
            ),
            numbers=frozenset({1}),
            note=f"and {listed.more} more: add `--limit {len(listed.entries) + listed.more}`" if listed.more else "",
        )


def _why(each: Entry, erp: str) -> str:
    values = each.values | {"connection": erp, "document_number": each.document_number}
    return sentence(each.code, values).happened if each.code else "-"


def _amount(amount: Decimal | None) -> str:
    """To the cent; more places only where an amount has them."""
    if amount is None:
        return "-"
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if cents == amount else amount.normalize():,f}"


def _moment(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%m-%d %H:%M:%S}" if moment is not None else "-"


def _aligned(row: tuple[str, ...], widths: list[int], numbers: frozenset[int]) -> str:
    cells = (
        cell.rjust(width) if at in numbers else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _widths(table: Table) -> list[float]:
    """Of 180 mm; numbers need little, the last column takes what is left."""
    own = [25.0 if at in table.numbers else 28.0 for at in range(len(table.columns))]
    own[0] = 55.0 if table.columns[0] == "line" else 40.0
    own[-1] = max(30.0, 180.0 - sum(own[:-1]))
    scale = min(1.0, 180.0 / sum(own))
    return [each * scale * mm for each in own]


def _style(table: Table) -> TableStyle:
    lines = [
        ("FONTSIZE", (0, 0), (-1, -1), 8),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
        ("LINEBELOW", (0, 1), (-1, -1), 0.2, colors.lightgrey),
        *(("ALIGN", (at, 0), (at, -1), "RIGHT") for at in table.numbers),
    ]
    return TableStyle(lines)


def _shown(text: str, *, plain: bool = False) -> str:
    """What the built-in fonts have; keys may hold letters they lack, and signs that would be markup."""
    known = text.encode("cp1252", "replace").decode("cp1252")
    return known if plain else escape(known).replace("   ", "&nbsp;&nbsp;&nbsp;")
