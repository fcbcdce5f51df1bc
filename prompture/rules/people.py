"""Names of people as printed on title pages and in references."""

import re

_PARTICLE = "de|da|do|dos|del|della|di|du|van|von|der|den|ter|la|le|bin|ibn|al|el|y|zu|af|av|St\\.?|Mc|O'"
_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĹĽŁŃŅŇŌŐŒŔŘŚŞŠŢŤŪŮŰŲŹŻŽ"
_WORD = rf"(?:[{_UPPER}][^\W\d_]*(?:['’\-–][^\W\d_]+)*\.?|(?:[{_UPPER}]\.-?){{1,4}})"
_NAME = re.compile(rf"(?:(?:Dr|Prof|Mr|Mrs|Ms)\.? )?{_WORD}(?:[ \u00a0]+(?:(?:{_PARTICLE})[ \u00a0]+){{0,2}}{_WORD}){{1,5}}(?:,? (?:Jr|Sr|II|III|IV)\.?)?")
_MARK = r"(?:[\d*†‡§¶#∗⋆♯♭✉⇑⊥∥♦♣♠ⓘ®©]+|\(\s*\)|\b(?:PhD|Ph\.D\.?|MD|M\.D\.?|MSc|MPH|FRCP|RN|CFP|ID)\b)"
_END_MARKS = re.compile(rf"[\s,]*{_MARK}\s*$")
_START_MARKS = re.compile(rf"^\s*{_MARK}[\s,]*")
_PART = re.compile(rf"(?:{_WORD})(?: (?:{_WORD}|{_PARTICLE})){{0,3}}")
_SPLIT = re.compile(r"\s*(?:[,;|•·]|\band\b|&|\bund\b|\bet\b(?! al))\s*")
_NOT_NAME = re.compile(
    r"(?<![\w-])(?:university|universit\w+|department|institute|institut\w*|laborator\w+|school|college|hospital|center|centre|faculty|academy|society|journal|research"
    r"|press|inc|ltd|gmbh|corporation|company|street|avenue|road|box|usa|germany|france|italy|japan|china|kingdom|states|abstract|introduction|received"
    r"|accepted|published|copyright|volume|open|access|article|review|letter|letters|paper|conference|proceedings|international|science|sciences|technology"
    r"|engineering|physics|mathematics|medicine|biology|system|systems|design|analysis|model|models|theory|method|methods|data|study|studies|using|for|in"
    r"|of|the|on|with|to|from|by|an|at|collaboration|group|division|programme|program|summary|report|technical|working|draft|correspond(?:ence|ing)|authors?|editor"
    r"|keywords?|new york|black holes?|and|piazza|via|rue|politecnico|sezione|hill|california|learning|network|networks|distributed|computing|communication|communications|security|software"
    r"|algorithm|algorithms|management|development|information|performance|evaluation|effects?|health|care|cancer|clinical|disease|human|social"
    r"|applications?|dynamics|control|function|structure|properties|background|objectives?|results?|conclusions?|short|title|running|head)(?![\w-])|universi|facult|facolt|institut|postbox|ciudad|australia|canada|spain|brazil|india|netherlands|sweden|switzerland|zealand|normale|diagnostics|strasse|straße",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """A piece of an author line without the marks at its ends that point to footnotes."""
    kept = " ".join(text.split())
    while True:
        shorter = _END_MARKS.sub("", _START_MARKS.sub("", kept)).strip(" ,;-–")
        if shorter == kept:
            return kept
        kept = shorter


def is_name(text: str) -> bool:
    """Whether a text is a person's name and nothing else: two to six capitalised words."""
    return 4 <= len(text) <= 60 and _NAME.fullmatch(text) is not None and not _NOT_NAME.search(text)


def is_part(text: str) -> bool:
    """Whether a text may be the half of a name that a line end cut off."""
    return len(text) <= 25 and _PART.fullmatch(text) is not None and not _NOT_NAME.search(text)


def names_in(line: str, *, cut: bool = False) -> list[tuple[str, int, int]]:
    """The names in a text that holds only names and marks: name, start, end. Empty when anything else is there.

    `cut`: half a name may stand at either end, as in one line of a long list; it is left out.
    """
    found: list[tuple[str, int, int]] = []
    pieces = _pieces(line)
    for place, (piece, start) in enumerate(pieces):
        name = clean(piece)
        if not name:
            continue
        if not is_name(name):
            if cut and place in (0, len(pieces) - 1) and is_part(name):
                continue
            return []
        begin = start + piece.find(name.split()[0])
        last = name.split()[-1]
        found.append((name, begin, start + piece.rfind(last) + len(last)))
    return found


def _pieces(line: str) -> list[tuple[str, int]]:
    pieces: list[tuple[str, int]] = []
    begin = 0
    for mark in _SPLIT.finditer(line):
        pieces.append((line[begin : mark.start()], begin))
        begin = mark.end()
    pieces.append((line[begin:], begin))
    return [(piece, start) for piece, start in pieces if piece.strip()]
