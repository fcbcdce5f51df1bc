"""Names of people as printed on title pages and in references."""

import re

from prompture.rules import data

_PARTICLE = data.alternatives("people", "particles")
_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĹĽŁŃŅŇŌŐŒŔŘŚŞŠŢŤŪŮŰŲŹŻŽ"
_WORD = rf"(?:[{_UPPER}][^\W\d_]*(?:['’\-–][^\W\d_]+)*\.?|(?:[{_UPPER}]\.-?){{1,4}})"
_NAME = re.compile(
    rf"(?:(?:Dr|Prof|Mr|Mrs|Ms)\.? )?{_WORD}(?:[ \u00a0]+(?:(?:{_PARTICLE})[ \u00a0]+){{0,2}}{_WORD}){{1,5}}(?:,? (?:Jr|Sr|II|III|IV)\.?)?"
)
_MARK = (
    r"(?:[\d*†‡§¶#∗⋆♯♭✉⇑⊥∥♦♣♠ⓘ®©]+|\(\s*\)|\b(?:PhD|Ph\.D\.?|MD|M\.D\.?|MSc|MPH|FRCP|RN|CFP|ID)\b)"
)
_END_MARKS = re.compile(rf"[\s,]*{_MARK}\s*$")
_START_MARKS = re.compile(rf"^\s*{_MARK}[\s,]*")
_PART = re.compile(rf"(?:{_WORD})(?: (?:{_WORD}|{_PARTICLE})){{0,3}}")
# No blanks before a mark: a long run of them would be tried from each of its places.
_SPLIT = re.compile(r" {3,}|(?:[,;|•·]|\band\b|&|\bund\b|\bet\b(?! al))\s*")
_NOT_NAME = re.compile(
    rf"(?<![\w-])(?:{data.alternatives('people', 'not_names')})(?![\w-])|{data.alternatives('people', 'not_name_parts')}",
    re.IGNORECASE,
)


LONGEST_PIECE = 300  # characters of a name with its marks


def clean(text: str) -> str:
    """A piece of an author line without the marks at its ends that point to footnotes."""
    kept = " ".join(text.split())
    # One mark a round: a text that is too long for names would take the square of its length.
    while len(kept) <= LONGEST_PIECE:
        shorter = _END_MARKS.sub("", _START_MARKS.sub("", kept)).strip(" ,;-–")
        if shorter == kept:
            break
        kept = shorter
    return kept


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


_FAMILY = rf"(?:(?:{_PARTICLE})[ \u00a0]){{0,3}}[{_UPPER}][^\W\d_]+(?:['’\-–‐ ][{_UPPER}][^\W\d_]+){{0,3}}"
_INITIALS = rf"(?:[{_UPPER}](?:\.|(?![^\W\d_])|(?=[{_UPPER}](?:\b|[{_UPPER}])))[ \u00a0-]?){{1,4}}(?<![ \u00a0-])"
_FORENAMES = rf"[{_UPPER}][^\W\d_]+(?:[ -](?:[{_UPPER}][^\W\d_]+|[{_UPPER}]\.?)){{0,3}}"
_PERSON = (
    rf"(?:{_FAMILY}, ?{_INITIALS}|{_FAMILY}, {_FORENAMES}|{_INITIALS}[ \u00a0]{_FAMILY}|(?:[{_UPPER}]\.){{1,4}}{_FAMILY}|{_FORENAMES} {_FAMILY}|{_FAMILY} {_INITIALS})"
    r"(?:,? (?:Jr|Sr|II|III)\.?)?"
)
_AUTHOR = re.compile(_PERSON)
_BETWEEN = re.compile(r"\s*(?:[,;.]?\s*(?:and|&|et|und|y|a|e|with)\s+|[,;]\s*|\.,\s*)")
_OTHERS = re.compile(r"[,;.]?\s*(?:et\.? al\.?|and others|\.\.\.|u\. ?a\.|etc\.*)\s*[.,:]?\s*$")
_REPEATED = re.compile(r"[—–_-]{2,8}\.?")


def is_author_list(text: str) -> bool:
    """Whether a text is a list of authors as references print them, in any of the usual orders."""
    kept = _OTHERS.sub("", text.strip()).rstrip(" ,;:(")
    kept = re.sub(r"\s*\((?:eds?|Hrsg)\.?\)?$", "", kept)
    if _REPEATED.fullmatch(kept):
        return True
    if not 4 <= len(kept) <= 600 or any(c.isdigit() for c in kept):
        return False
    at = 0
    while at < len(kept):
        person = _AUTHOR.match(kept, at)
        if person is None:
            return False
        at = person.end()
        if at >= len(kept) or kept[at:] in {"."}:
            return True
        between = _BETWEEN.match(kept, at)
        if between is None:
            return False
        at = between.end()
    return True


def split_authors(text: str) -> list[str]:
    """The authors of a list one by one; empty when the text is no list of authors."""
    kept = _OTHERS.sub("", text.strip()).rstrip(" ,;:(")
    if not is_author_list(text):
        return []
    found: list[str] = []
    at = 0
    while at < len(kept):
        person = _AUTHOR.match(kept, at)
        if person is None:
            break
        found.append(person.group().strip())
        between = _BETWEEN.match(kept, person.end())
        if between is None:
            break
        at = between.end()
    return found


_INITIALLED = re.compile(
    rf"(?:{_FAMILY}, ?{_INITIALS}|{_INITIALS}[ \u00a0]{_FAMILY}|(?:[{_UPPER}]\.){{1,4}}{_FAMILY}|{_FAMILY} [{_UPPER}]{{1,3}}(?![^\W\d_]))(?:,? (?:Jr|Sr|II|III)\.?)?"
)


def leading_authors(text: str, begin: int) -> int | None:
    """The end of the authors that begin a text when all have initials and a comma parts them from a title.

    What follows must be no name with initials itself: "Jeffay, K., Smith, F. D., Kernel Support ...".
    """
    at = begin
    end: int | None = None
    while person := _INITIALLED.match(text, at):
        end = person.end()
        others = re.match(r",? et\.? al\.?", text[end : end + 10])
        if others is not None:
            return end + others.end()
        between = _BETWEEN.match(text, end)
        if between is None:
            return None
        at = between.end()
    if (
        end is None
        or text[end : end + 1] not in {",", "."}
        or not re.match(r"[A-ZÀ-Þ“\"‘«'][^.]{12}", text[at:])
    ):
        return None
    return end
