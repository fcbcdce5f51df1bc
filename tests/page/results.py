"""Results made by hand, for pages; and a reader of pages."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

from prompture.extraction.result import Extraction
from prompture.money import Bill
from prompture.types import Completion, Span


def result_of(
    value: Any, text: str, sources: dict[str, tuple[Span, ...]] | None = None, **more: Any
) -> Extraction[Any]:
    """A result, its places found by ``ground`` where none are given."""
    return Extraction(
        value=value,
        cost=Bill(),
        attempts=(),
        model="openai/gpt-5-mini",
        strategy="json_schema",
        raw=Completion(spans=sources),
        plain=value,
        text=text,
        **more,
    )


def pointers_in(attribute: str) -> list[str]:
    """What ``data-pointer`` names."""
    return json.loads(attribute) if attribute.startswith("[") else [attribute]


class Reader(HTMLParser):
    """The text of a document as a page shows it, and of each mark in it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.marks: list[tuple[list[str], str, dict[str, str | None]]] = []
        self.leaves: dict[str, dict[str, str | None]] = {}
        self.tags: set[str] = set()
        self._depth = self._within = 0
        self._mark: dict[str, str | None] | None = None
        self._piece = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        if tag == "div":
            self._depth += 1
            if (found.get("class") or "").split()[:1] == ["text"]:
                self._within = self._depth
                self.texts.append("")
        if tag == "mark":
            self._mark, self._piece = found, ""
        if tag == "li" and "data-pointer" in found:
            self.leaves[found["data-pointer"] or ""] = found

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            if self._depth == self._within:
                self._within = 0
            self._depth -= 1
        if tag == "mark" and self._mark is not None:
            named = pointers_in(self._mark["data-pointer"] or "")
            self.marks.append((named, self._piece, self._mark))
            self._mark = None

    def handle_data(self, data: str) -> None:
        if self._within:
            self.texts[-1] += data
            self._piece += data

    def marked(self, pointer: str) -> str:
        """All that is marked for a pointer, in the order of the text."""
        return "".join(text for named, text, _ in self.marks if pointer in named)


HOSTILE = (
    "</script><script>window.owned = 1</script>\n"
    "<img src=x onerror='window.owned = 2'> <style>*{display:none}</style>\n"
    "a\x00b \x1b[31mred\x1b[0m tab\there\r\nold\rmac\n"
    "half \ud83d a pair, \udc00 another\n"
    "user \u202egnp.exe\u202c stands here, \u2067isolated\u2069\n"
    "{{title}} {{sheets}} {{script}} --> ]]> &amp; &#0; ${1}\n"
    "סכום: 1,234.50 ₪ and 合計：1,200円 \U0001f469\u200d\U0001f469\u200d\U0001f467\n"
)
"""A text that wants to be more than text."""
NAMES = {
    'quote"d': "window.owned",
    "it's": "tab",
    "a/b": "stands here",
    "~1": "another",
    "__proto__": "isolated",
    "constructor": "1,234.50",
    "\U0001f469\u200d\U0001f467 emoji": "1,200円",
    "<b>bold</b>": "<img src=x",
    "[0]": "half",
    "": "a pair",
}
"""Names of fields that want to be more than names, with values of the text."""
