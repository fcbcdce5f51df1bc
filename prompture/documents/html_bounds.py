"""Pages that a parser would take minutes or gigabytes for are refused before it sees them."""

from __future__ import annotations

import re

from prompture.document_errors import DocumentTooLarge

MOST_TAGS = 2_000_000
DEEPEST = 400
"""Elements that are open at once. A parser looks through them for each tag that comes."""
_MOST_REOPENED = 3_000_000
"""What open <b>, <font> and the like do: a parser opens each of them again in every block."""
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_RAW = re.compile(r"<(script|style|textarea|title|xmp)\b|<!--", re.IGNORECASE)
_ALONE = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
     "wbr", "param", "p", "li", "td", "th", "tr", "dt", "dd", "option", "tbody", "thead", "tfoot",
     "colgroup", "html", "body", "head", "optgroup", "rt", "rp")
)  # fmt: skip
"""Elements that are empty, or that end by themselves where their like begins."""
_FORMATS = frozenset(
    (
        "a",
        "b",
        "big",
        "code",
        "em",
        "font",
        "i",
        "nobr",
        "s",
        "small",
        "strike",
        "strong",
        "tt",
        "u",
    )
)


def check_bounds(text: str, name: str) -> None:
    """Raise DocumentTooLarge for a page that is nested too deep, or has too many tags."""
    depth = tags = formats = most_formats = 0
    for piece in _marked_up(text):
        for slash, tag in _TAG.findall(piece):
            tags += 1
            tag = tag.lower()
            if tag in _ALONE:
                continue
            step = -1 if slash else 1
            depth = max(0, depth + step)
            if tag in _FORMATS:
                formats = max(0, formats + step)
                most_formats = max(most_formats, formats)
            if depth > DEEPEST:
                raise DocumentTooLarge(f"elements are nested deeper than {DEEPEST}", name=name)
        if tags > MOST_TAGS or most_formats * tags > 50 * _MOST_REOPENED:
            raise DocumentTooLarge(
                f"more than {MOST_TAGS} tags, or many within each other", name=name
            )


def _marked_up(text: str) -> list[str]:
    """The page without scripts, styles and comments, in which a tag is none."""
    found: list[str] = []
    at = 0
    while (start := _RAW.search(text, at)) is not None:
        found.append(text[at : start.start()])
        end = "-->" if start[1] is None else f"</{start[1]}"
        close = text.find(end, start.end())
        if close < 0 and start[1] is not None:
            close = text.lower().find(end.lower(), start.end())
        if close < 0:
            return found
        at = close + len(end)
    found.append(text[at:])
    return found
