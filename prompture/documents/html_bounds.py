"""Pages that a parser would take minutes or gigabytes for are refused before it sees them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from prompture.document_errors import DocumentTooLarge

MOST_TAGS = 2_000_000
DEEPEST = 400
"""Elements that are open at once. A parser looks through them for each tag that comes."""
_MOST_REOPENED = 3_000_000
"""What open <b>, <font> and the like do: a parser opens each of them again in every block."""
_TOKEN = re.compile(
    # A value in quotes may hold what looks like a tag; each piece is taken once, and never tried again.
    r"""<(?P<slash>/?)(?P<tag>[a-zA-Z][^\s/>]*+)(?:[^>=]++|=\s*+"[^"]*+"|=\s*+'[^']*+'|=)*+>?"""
    r"|<!(?P<dashes>--)|<[!?/][^>]*+>?"
)
_RAW = {
    name: re.compile(f"</{name}", re.IGNORECASE | re.ASCII)
    for name in ("script", "style", "textarea", "title", "xmp")
}
"""What ends an element in which a tag is none."""
_END_OF_COMMENT = re.compile("--!?>")
_FOREIGN = ("svg", "math")
"""Within these, a <style> or <title> holds elements."""
_ALONE = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
     "wbr", "param", "p", "li", "td", "th", "tr", "dt", "dd", "option", "tbody", "thead", "tfoot",
     "colgroup", "html", "body", "head", "optgroup", "rt", "rp")
)  # fmt: skip
"""Elements that are empty, or that end by themselves where their like begins."""
_FORMATS = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u")
)  # fmt: skip


def check_bounds(text: str, name: str) -> None:
    """Raise DocumentTooLarge for a page that is nested too deep, or has too many tags."""
    opened: Counter[str] = Counter()
    depth = formats = most_formats = 0
    for tags, (tag, step) in enumerate(_tags(text), 1):
        # An end of what is not open ends nothing.
        if tag not in _ALONE and (step > 0 or opened[tag]):
            opened[tag] += step
            depth += step
            if tag in _FORMATS:
                formats += step
                most_formats = max(most_formats, formats)
        if depth > DEEPEST:
            raise DocumentTooLarge(f"elements are nested deeper than {DEEPEST}", name=name)
        if tags > MOST_TAGS or most_formats * tags > 50 * _MOST_REOPENED:
            raise DocumentTooLarge(
                f"more than {MOST_TAGS} tags, or many within each other", name=name
            )


def _tags(text: str) -> Iterator[tuple[str, int]]:
    """The tags of a page, 1 for a beginning and -1 for an end; in scripts and comments there are none."""
    at = foreign = 0
    while (found := _TOKEN.search(text, at)) is not None:
        at = found.end()
        end: re.Pattern[str] | None = None
        if tag := found["tag"]:
            tag = tag.lower() if tag.isascii() else tag
            step = -1 if found["slash"] else 1
            yield tag, step
            if tag in _FOREIGN:
                foreign = max(0, foreign + step)
            if step > 0 and not foreign:
                end = _RAW.get(tag)
        elif found["dashes"]:
            end = _END_OF_COMMENT
            at -= 2  # <!--> is a whole comment
        if end is not None:
            if (close := end.search(text, at)) is None:
                return
            # The tag that ends the element is still to come.
            at = close.end() if end is _END_OF_COMMENT else close.start()
