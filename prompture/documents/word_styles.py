"""The styles of a Word file (what is a heading, in a list, hidden), and the numbers of its lists,
which stand nowhere in its text: 2.1, (a), iv."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_OFF = ("0", "false", "off", "none")


@dataclass(frozen=True, slots=True)
class Style:
    """``level`` of a heading (0: none), number and level of a list, whether the text is hidden."""

    level: int = 0
    list_id: str = ""
    list_level: int = 0
    hidden: bool = False


def is_on(properties: Element | None, name: str) -> bool | None:
    """A switch of a run or paragraph; None where it is not there."""
    found = properties.find(name) if properties is not None else None
    return None if found is None else (found.get("val") or "1").lower() not in _OFF


def styles_of(root: Element | None) -> dict[str, Style]:
    """The styles by their ids, with what they take over from those they are based on."""
    listed: dict[str, Element] = {}
    for style in root.iterfind("style") if root is not None else ():
        listed[style.get("styleId") or ""] = style
    made: dict[str, Style] = {}
    for name in listed:
        chain: list[str] = []
        at = name
        while at in listed and at not in made and at not in chain:
            chain.append(at)
            base = listed[at].find("basedOn")
            at = (base.get("val") or "") if base is not None else ""
        known = made.get(at, Style())
        for each in reversed(chain):
            known = made[each] = _of(listed[each], known)
    return made


def _of(style: Element, base: Style) -> Style:
    named = style.find("name")
    name = (named.get("val") or "") if named is not None else ""
    found = with_paragraph(style.find("pPr"), base)
    if heading := _HEADING.fullmatch(name):
        found = replace(found, level=int(heading[1]) or 1)
    elif name.lower() == "title":
        found = replace(found, level=1)
    elif name.lower().startswith("toc "):  # entries of a table of contents are no headings
        found = replace(found, level=0)
    hidden = is_on(style.find("rPr"), "vanish")
    return found if hidden is None else replace(found, hidden=hidden)


def with_paragraph(properties: Element | None, base: Style) -> Style:
    """A style with what a paragraph's own properties change."""
    if properties is None:
        return base
    found = base
    outline = properties.find("outlineLvl")
    if outline is not None and (level := outline.get("val") or "").isdecimal():
        found = replace(found, level=int(level) + 1 if int(level) < 9 else 0)
    numbered = properties.find("numPr")
    if numbered is not None:
        number, level_of = numbered.find("numId"), numbered.find("ilvl")
        if number is not None:
            found = replace(found, list_id=number.get("val") or "")
        text = (level_of.get("val") or "") if level_of is not None else ""
        if text.isdecimal() and len(text) < 3:
            found = replace(found, list_level=int(text))
    return found


_PLACE = re.compile(r"%([1-9])")
_MOST_LEVELS = 9


@dataclass(frozen=True, slots=True)
class _Level:
    start: int
    form: str
    pattern: str


class Numbering:
    """The lists of a document, counted as its paragraphs come."""

    def __init__(self, root: Element | None) -> None:
        self._abstract: dict[str, dict[int, _Level]] = {}
        self._lists: dict[str, str] = {}
        self._overrides: dict[tuple[str, int], _Level] = {}
        self._counts: dict[str, dict[int, int]] = {}
        self._begun: set[tuple[str, int]] = set()
        for each in root if root is not None else ():
            if each.tag == "abstractNum":
                self._abstract[each.get("abstractNumId") or ""] = {
                    _int(level.get("ilvl")): _level(level) for level in each.iterfind("lvl")
                }
            elif each.tag == "num":
                self._add_list(each)

    def _add_list(self, num: Element) -> None:
        number = num.get("numId") or ""
        self._lists[number] = abstract = _value(num, "abstractNumId")
        for override in num.iterfind("lvlOverride"):
            at = _int(override.get("ilvl"))
            changed = override.find("lvl")
            usual = self._abstract.get(abstract, {}).get(at, _Level(1, "decimal", f"%{at + 1}."))
            level = _level(changed) if changed is not None else usual
            if override.find("startOverride") is not None:
                start = _int(_value(override, "startOverride"), 1)
                level = _Level(start, level.form, level.pattern)
                self._overrides[number, at] = level
            elif changed is not None:
                self._overrides[number, at] = level

    def label(self, number: str, level: int) -> str | None:
        """What stands before the next paragraph of a list, None where it is in none."""
        abstract = self._lists.get(number)
        if abstract is None or not 0 <= level < _MOST_LEVELS:
            return None
        counts = self._counts.setdefault(abstract, {})
        own = self._find(number, abstract, level)
        if (number, level) in self._overrides and (number, level) not in self._begun:
            counts[level] = own.start  # this list of its own starts again
        else:
            counts[level] = counts[level] + 1 if level in counts else own.start
        self._begun.add((number, level))
        for deeper in [at for at in counts if at > level]:
            del counts[deeper]
        if own.form == "bullet":
            return "-"
        if own.form == "none":
            return ""

        def written(found: re.Match[str]) -> str:
            at = int(found[1]) - 1
            each = self._find(number, abstract, at)
            return formed(counts.setdefault(at, each.start), each.form)

        return _PLACE.sub(written, own.pattern).strip()

    def _find(self, number: str, abstract: str, level: int) -> _Level:
        return self._overrides.get((number, level)) or self._abstract.get(abstract, {}).get(
            level, _Level(1, "decimal", f"%{level + 1}.")
        )


def _level(level: Element) -> _Level:
    return _Level(
        _int(_value(level, "start"), 1),
        _value(level, "numFmt") or "decimal",
        _value(level, "lvlText"),
    )


def _value(element: Element, name: str) -> str:
    found = element.find(name)
    return (found.get("val") or "") if found is not None else ""


def _int(text: str | None, otherwise: int = 0) -> int:
    return int(text) if text and len(text) < 9 and text.isdecimal() else otherwise


def formed(number: int, form: str) -> str:
    """A number of a list in its form."""
    return _FORMS.get(form, str)(number)


def _letters(number: int) -> str:
    # Past z Word doubles the letter: aa, bb.
    count, at = divmod(number - 1, 26)
    return chr(97 + at) * (count + 1) if 0 < number < 1000 else str(number)


def roman(number: int) -> str:
    """A number from 1 to 3999 in Roman figures."""
    if not 0 < number < 4000:
        return str(number)
    made = ""
    for value, mark in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ["m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"],
        strict=True,
    ):
        while number >= value:
            made, number = made + mark, number - value
    return made


_FORMS: dict[str, Callable[[int], str]] = {
    "lowerLetter": _letters,
    "upperLetter": lambda number: _letters(number).upper(),
    "lowerRoman": roman,
    "upperRoman": lambda number: roman(number).upper(),
    "decimalZero": lambda number: f"{number:02d}",
    "ordinal": lambda number: f"{number}{'th' if 10 < number % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}",
}  # fmt: skip
