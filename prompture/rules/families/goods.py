"""Rows of item tables (goods and services): amounts proved by quantity times price, descriptions over several lines."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from prompture.rules import data
from prompture.rules.cells import Cell, cell_kind
from prompture.rules.families import DocumentFamily
from prompture.rules.fields import SchemaField
from prompture.rules.headings import Column
from prompture.rules.labelled import read_alone
from prompture.rules.numbers import Numeral, amount_of, find_numbers
from prompture.rules.page import FieldCandidate, Line, Page, ParsedValue, TextRange
from prompture.rules.render import accepts, render
from prompture.rules.tables import TableRow, joined, plain_row, read_rows, wrapped
from prompture.types import Span

WEAK = 0.67  # just above the threshold: kept only when the whole table proves it
_MARGIN = 4
_INDENTED = 10  # what begins further left may be the foot of a page
UNCOUNTED = 0.665  # of a row without a quantity
_SUM_CONCEPTS = frozenset({"line_total", "quantity", "unit_price"})
_CODE = re.compile(r"(?=[^ ]*\d)[A-ZÀ-ÖØ-Þ0-9][\w./#+-]{1,30}\.?|\(.{1,8}\)|\d{6,14}\.?")
_AMOUNT = re.compile(r"[-–+(]?\s?[\d.,'’\u00a0 ]*\d[-)]?\s?(?:€|EUR|CHF|USD|%|[$£])?")
_LEADING_CODE = re.compile(r"\d{8,14}\.?\s+(?=\S)")
_DETAIL = re.compile(r"[:=]|^\*|^-\s|^\(|€|^(?:EAN|GTIN|GLN|SN)\b")
# A dash or a bracket that goes on with the line above; several such lines are a list of details.
_JOINED = re.compile(r"-\s[^:=€*]{2,40}|\([^:=€*()]{2,40}\)")
_UNIT = re.compile(rf"(?:{data.alternatives('invoices', 'units')})\.?(?:\(s\))?", re.IGNORECASE)


class Goods(DocumentFamily):
    """Lists whose items are goods sold: amounts are proved, descriptions go over several lines."""

    def rows(
        self, field: SchemaField, fields: Sequence[SchemaField], page: Page, scope: TextRange
    ) -> list[dict[str, FieldCandidate]] | None:
        """The rows of the table that fits best, when the fields are those of goods."""
        plain = [one for one in fields if one.kind not in {"object", "array"}]
        if not _is_goods(plain):
            return None
        rows = read_rows(fields, page, scope, read_row=item_row, check=proven)
        # A description and an amount alone may be any table: a statement of an account.
        counted = any(one.concept in {"quantity", "unit_price"} for one in plain)
        return rows if rows or counted else None


FAMILY = Goods()


def _is_goods(fields: Sequence[SchemaField]) -> bool:
    """Whether the fields are those of goods sold: a line total or a price beside a quantity or a description."""
    concepts = {field.concept for field in fields}
    return "line_total" in concepts and bool(
        concepts & {"quantity", "item_description", "unit_price"}
    )


def item_row(
    row: TableRow, fields: list[SchemaField], page: Page
) -> dict[str, FieldCandidate] | None:
    """One sold item, or None when the line is no item: an item has an amount, and a second number beside it."""
    if row.header.line.grid >= 0:  # the marks of a written table say whose each cell is
        return plain_row(row, fields, page)
    columns, placed, cells = row.header.columns, row.placed, row.cells
    # What begins left of the table, the foot of a page most often, is no part of its rows.
    margin = row.header.line.cells[0].column - _MARGIN
    after = tuple(line for line in row.after if line.cells[0].column >= margin)
    by_name = {column.field.name: cell for column, cell in placed if column.field is not None}
    counted = {cell for column, cell in placed if column.kind == "position"}
    numbers = [number for cell in cells if cell not in counted for number in _numbers(cell, page)]
    wanted = {field.concept: field for field in fields}
    total_field = wanted["line_total"]
    if len(numbers) < 2:
        return _uncounted(wanted, numbers, row, page)
    total = _in_cell(by_name.get(total_field.name), page)
    product = _product(numbers, total)
    if product is None:
        later = [
            number
            for line in after[:2]
            if not line.gap
            for cell in line.cells
            for number in _numbers(cell, page)
        ]
        product = _product(numbers, None, later) or (
            None if total is not None else _product(numbers, None)
        )
    if product is not None:
        product, total = _as_headed(product, wanted, by_name, page), product[2]
    weak = product is None and not _well_placed(columns, cells, placed)
    at_end = numbers[-1].decimals >= 2 and numbers[-1].end == cells[-1].end
    if weak and total is None and by_name and len(numbers) >= 3 and at_end:
        total = numbers[-1]
    if total is None:
        return None
    found: dict[str, FieldCandidate] = {}
    _put(found, total_field, total, page, score=WEAK if weak else 0.9)
    quantity = wanted.get("quantity")
    if quantity is not None:
        count = product[0] if product else _in_cell(by_name.get(quantity.name), page)
        _put(found, quantity, count, page)
    price = wanted.get("unit_price")
    if price is not None:
        _put(found, price, product[1] if product else _in_cell(by_name.get(price.name), page), page)
    _rest(found, fields, by_name, page)
    text = wanted.get("item_description")
    if text is not None:
        described = _broken(text, row) or _description(
            text, by_name.get(text.name), cells, after, page
        )
        if described is not None:
            found[text.name] = described
    return found


def _broken(field: SchemaField, row: TableRow) -> FieldCandidate | None:
    """A description whose first lines stand above the line with the amounts, or whose lines all begin at the margin."""
    for column, cell in row.placed:
        if column.field is field and (row.broken or cell.column < _INDENTED):
            pieces = wrapped(row, cell)
            return joined(field, pieces) if len(pieces) > 1 else None
    return None


def _uncounted(
    wanted: Mapping[str | None, SchemaField], numbers: list[Numeral], row: TableRow, page: Page
) -> dict[str, FieldCandidate] | None:
    """A row with words and an amount alone, "Delivery  4.90": it stays only where all amounts add up to a sum."""
    text, cells = wanted.get("item_description"), row.cells
    if len(numbers) != 1 or numbers[0].decimals < 2 or numbers[0].end != cells[-1].end:
        return None
    words = [cell for cell in cells[:-1] if _is_text(cell.text) and not cell.text.endswith(":")]
    if text is None or len(words) != 1:
        return None
    found: dict[str, FieldCandidate] = {}
    _put(found, wanted["line_total"], numbers[0], page, score=UNCOUNTED)
    described = _description(text, words[0], cells, row.after, page)
    if not found or described is None:
        return None
    return {**found, text.name: described}


def _rest(
    found: dict[str, FieldCandidate],
    fields: list[SchemaField],
    by_name: dict[str, Cell],
    page: Page,
) -> None:
    for field in fields:
        cell = by_name.get(field.name)
        if (
            cell is None
            or field.name in found
            or field.concept in _SUM_CONCEPTS | {"item_description"}
        ):
            continue
        reading = read_alone(field, page, cell.start, cell.end)
        written = render(field, reading, page) if reading else None
        if written:
            found[field.name] = FieldCandidate(written[0], (written[1],), 0.8)


def _numbers(cell: Cell, page: Page) -> list[Numeral]:
    """The number a cell begins with; codes and text have none."""
    if cell_kind(cell.text) not in {"number", "money"}:
        return []
    first = next(find_numbers(page.text, cell.start, cell.end, mark=page.mark), None)
    if (
        first is None
        or first.start - cell.start > 4
        or page.text[first.end : min(first.end + 2, cell.end)].strip().startswith("%")
    ):
        return []
    if first.decimals == 0 and first.end - first.start > 6:  # an article's number
        return []
    return [first]


def _in_cell(cell: Cell | None, page: Page) -> Numeral | None:
    return next(iter(_numbers(cell, page)), None) if cell is not None else None


def _product(
    numbers: list[Numeral], total: Numeral | None, later: list[Numeral] | None = None
) -> tuple[Numeral, Numeral, Numeral] | None:
    """Quantity, price and amount among the numbers of a row; None when none or several ways multiply out."""
    amounts = later if later is not None else [total] if total is not None else numbers[2:]
    found: list[tuple[Numeral, Numeral, Numeral]] = []
    for last in amounts:
        left = [number for number in numbers if number.start < last.start]
        for i, first in enumerate(left):
            found.extend(
                (*_which(first, second), last)
                for second in left[i + 1 :]
                if last.decimals >= 2 and _multiplies(first.value, second.value, last.value)
            )
    distinct = {(q.value, p.value, a.value) for q, p, a in found}
    return found[0] if len(distinct) == 1 else None


def _multiplies(first: Decimal, second: Decimal, amount: Decimal) -> bool:
    return (bool(amount) or not second or not first) and abs(
        abs(first * second) - abs(amount)
    ) <= Decimal("0.005")


def _which(first: Numeral, second: Numeral) -> tuple[Numeral, Numeral]:
    """Quantity and price: the price has the decimals; of two alike the quantity comes first."""
    whole = [number.value == number.value.to_integral_value() for number in (first, second)]
    if whole[1] and not whole[0]:
        return second, first
    if whole[0] == whole[1] and first.decimals > second.decimals:
        return second, first
    return first, second


def _as_headed(
    product: tuple[Numeral, Numeral, Numeral],
    wanted: Mapping[str | None, SchemaField],
    by_name: Mapping[str, Cell],
    page: Page,
) -> tuple[Numeral, Numeral, Numeral]:
    """A product whose price is what stands below the heading of prices: of 6.5 hours at 80.00, the 80.00."""
    price = wanted.get("unit_price")
    headed = _in_cell(by_name.get(price.name), page) if price is not None else None
    first, second, total = product
    return (second, first, total) if headed == first and first != second else product


def _well_placed(
    columns: Sequence[Column], cells: list[Cell], placed: list[tuple[Column, Cell]]
) -> bool:
    """Without the proof of a product, a row must fill the header one to one."""
    return len(columns) == len(cells) == len(placed)


def _put(
    found: dict[str, FieldCandidate],
    field: SchemaField,
    number: Numeral | None,
    page: Page,
    *,
    score: float = 0.9,
) -> None:
    if number is None:
        return
    written = render(field, ParsedValue(number.value, number.start, number.end), page)
    if written:
        found[field.name] = FieldCandidate(written[0], (written[1],), score)


def proven(
    rows: list[dict[str, FieldCandidate]], fields: list[SchemaField], page: Page
) -> list[dict[str, FieldCandidate]]:
    """Rows without the proof of a product stay only when all amounts add up to an amount the text prints."""
    total = next(field.name for field in fields if field.concept == "line_total")
    counted = [row for row in rows if not _has_score(row, total, UNCOUNTED)]
    weak = any(_has_score(row, total, WEAK) for row in counted)
    # Rows of words and an amount alone are kept only beside proven ones.
    if 0 < len(counted) < len(rows) and not weak and _adds_up(rows, total, page):
        return rows
    if not weak or _adds_up(counted, total, page):
        return counted
    return [row for row in counted if not _has_score(row, total, WEAK)]


def _has_score(row: dict[str, FieldCandidate], total: str, score: float) -> bool:
    # A row of a written table may have no amount.
    return total in row and row[total].score == score


def _adds_up(rows: list[dict[str, FieldCandidate]], total: str, page: Page) -> bool:
    """Whether an amount printed behind the rows is their sum."""
    totals = [row[total] for row in rows if total in row]
    whole = sum((abs(amount_of(one.value) or Decimal(0)) for one in totals), Decimal(0))
    after = max(one.spans[0].end for one in totals)
    printed = {abs(number.value) for number in find_numbers(page.text, after, mark=page.mark)}
    return whole in printed


def _description(
    field: SchemaField, cell: Cell | None, cells: list[Cell], after: tuple[Line, ...], page: Page
) -> FieldCandidate | None:
    texts = [other for other in cells if _is_text(other.text) and not other.text.endswith(":")]
    first = (
        cell
        if cell is not None and cell in texts
        else max(texts, key=lambda c: len(c.text))
        if texts
        else None
    )
    parts = [first] if first is not None else []
    for place, line in enumerate(after[:5]):
        if (
            line.gap
            or len(parts) >= 6
            or sum(len(_numbers(other, page)) for other in line.cells) > 1
        ):
            break
        piece = _continued(line, bool(parts))
        if piece is None:
            continue
        if (_DETAIL.search(piece.text) and not _joins(piece, parts, after[place + 1 :])) or (
            parts and len(piece.text) > max(30, 2 * len(parts[0].text))
        ):
            break
        parts.append(piece)
        if first is None:
            break
    if not parts:
        return None
    value = " ".join(part.text for part in parts)
    if not accepts(field.schema, value):
        return None
    kind = "exact" if len(parts) == 1 else "normalised"
    return FieldCandidate(value, tuple(Span(part.start, part.end, kind) for part in parts), 0.75)


def _joins(piece: Cell, parts: list[Cell], after: tuple[Line, ...]) -> bool:
    """Whether a line with a dash or in brackets is the end of the one description above it."""
    if len(parts) != 1 or not _JOINED.fullmatch(piece.text):
        return False
    below = after[0] if after and not after[0].gap else None
    listed = below is not None and below.words[:1] == piece.text[:1]
    return abs(piece.column - parts[0].column) <= 2 and not listed


def _is_text(text: str) -> bool:
    return (
        cell_kind(text) == "text"
        and sum(c.isalpha() for c in text) >= 3
        and not _CODE.fullmatch(text)
        and not _UNIT.fullmatch(text)
    )


def _continued(line: Line, begun: bool) -> Cell | None:
    """The part of a following line that goes on with the description: what is left beside codes."""
    if not begun:
        return next((cell for cell in line.cells if _is_text(cell.text)), None)
    last = line.cells[-1]
    if _AMOUNT.fullmatch(last.text):
        return None  # an amount that the layout has put on a line of its own
    code = _LEADING_CODE.match(last.text)
    if code is not None:
        return Cell(last.text[code.end() :], last.start + code.end(), last.column + code.end())
    if len(line.cells) > 1:
        return None if re.fullmatch(r"[\d.,€ %-]+", last.text) else last
    is_code = _CODE.fullmatch(last.text) and any(c.isdigit() for c in last.text)
    return last if last.column >= _INDENTED and not is_code else None
