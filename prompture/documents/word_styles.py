"""The styles of a Word file: what is a heading, in a list, or hidden."""

from __future__ import annotations

import re
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
