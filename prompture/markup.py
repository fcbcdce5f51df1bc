"""Text and tables as HTML and as columns, for pages, notebooks and terminals.

What a document, a model or a provider wrote is data: it is escaped here, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

_UNSAFE = re.compile(
    # Markup; what no HTML has (NUL, half a pair of surrogates); the two that print letters in
    # another order than they stand in; and what nobody sees: controls, invisible operators, tags
    # (letters in which words to a model are hidden). Joiners, soft hyphens and marks of direction
    # are needed to write some languages.
    "[&<>\"'\x00-\x08\x0b-\x1f\x7f-\x9f\u180e\u202d\u202e\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_OVERRIDES = re.compile("[\u202d\u202e]")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\r": "&#13;"}
_LONE_RETURN = re.compile("\r(?!\n)")
_MISSING = "\ufffd"


def text_html(text: str) -> str:
    """The text as the content of an element. Its ``textContent`` is the text again, but for what
    HTML cannot hold: U+FFFD stands for a NUL and for half a surrogate pair.

    An unseen character stands in ``<bdi class=ctl>``, which shows its number and keeps its effect
    on the order of letters inside, in notebooks too, which have no style of ours.
    """
    found = _UNSAFE.sub(_in_text, text)
    if "\r" in text and _LONE_RETURN.search(text):
        # The end of a line in texts of old: shown as one.
        return found.replace("&#13;\n", "\0").replace("&#13;", "&#13;<br>").replace("\0", "&#13;\n")
    return found


def attribute(text: str) -> str:
    """The text as the value of an attribute between double quotes, to be read back."""
    return _UNSAFE.sub(_in_attribute, text).replace("\n", "&#10;").replace("\t", "&#9;")


def label(text: str) -> str:
    """The same, to be read by people: nothing in it reverses the order of letters."""
    return attribute(_OVERRIDES.sub(_MISSING, text))


def _in_text(found: re.Match[str]) -> str:
    character = found[0]
    if character in _NAMED:
        return _NAMED[character]
    shown = _shown(character)
    return f'<bdi class=ctl title="U+{ord(character):04X}">{shown}</bdi>'


def _in_attribute(found: re.Match[str]) -> str:
    return _NAMED.get(found[0]) or _shown(found[0])


def _shown(character: str) -> str:
    is_none = character == "\0" or "\ud800" <= character <= "\udfff"
    return _MISSING if is_none else character


def clipped(text: str, most: int) -> str:
    """The text, or its beginning and how long it is."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def columns(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Rows as lines of plain text, the columns as wide as they must be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (
            text.rjust(width) if at in right else text.ljust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return lines


_TABLE = "border-collapse:collapse;font-size:13px;line-height:1.4;margin:6px 0"
_CELL = "padding:3px 10px 3px 0;vertical-align:top;border-bottom:1px solid #8886;text-align:"


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[int] = (),
    caption: str = "",
    html_columns: Collection[int] = (),
) -> str:
    """An HTML table with its style in it, for light and dark pages alike. Cells are plain text,
    those of ``html_columns`` are HTML already."""

    def line(cells: Sequence[str], kind: str) -> str:
        is_head = kind == "th"
        made = (
            f"<{kind}{' scope=col' * is_head} style='{_CELL}{'right' if at in right else 'left'}'>"
            f"{cell if at in html_columns and not is_head else text_html(cell)}</{kind}>"
            for at, cell in enumerate(cells)
        )
        return f"<tr>{''.join(made)}</tr>"

    title = f"<caption style='text-align:left'>{text_html(caption)}</caption>" if caption else ""
    body = "".join(line(row, "td") for row in rows)
    head = f"<thead>{line(headings, 'th')}</thead>"
    return f"<table style='{_TABLE}'>{title}{head}<tbody>{body}</tbody></table>"


def paragraphs(lines: Iterable[str]) -> str:
    """Each line as a paragraph, small, to stand below a table."""
    return "".join(
        f"<p style='font-size:13px;margin:3px 0'>{text_html(line)}</p>" for line in lines
    )
