"""Tokens of almost-JSON as regular expressions, each matched in linear time; its string escapes."""

from __future__ import annotations

import json
import re

from prompture.json_values import NAN_BECAME_NULL

# A comment without an end would else be looked for through all of the text, at each of its starts.
SPACE = re.compile(r"(?:[\s\ufeff\u200b]+|//[^\n]*|/\*.{0,2000}?\*/|#[^\n]*)*", re.DOTALL)
STRING = {q: re.compile(rf"{q}[^{q}\\]*(?:\\.[^{q}\\]*)*{q}", re.DOTALL) for q in "\"'"}
PLAIN_STRING = re.compile(r'"[^"\\\x00-\x1f]*"')
# A fourth quote is the text's own: """She said "no"""".
TRIPLE = re.compile(r'"""(.*?)"""(?!")|\'\'\'(.*?)\'\'\'(?!\')', re.DOTALL)
CURLY_QUOTED = re.compile(r"[“„]([^“”„]*)[”“]")
QUOTE = {q: re.compile(rf"(?:[^{q}\\]|\\.)*{q}", re.DOTALL) for q in "\"'"}
LOOSE_LENGTH = 10_000  # characters searched for the end of a string with quotes in it
KEY_AHEAD = re.compile(
    r"\s*(?:\"[^\"\n\\]{0,200}(?:\\.[^\"\n\\]{0,200}){0,20}\"\s*:|'[^'\n]{0,200}'\s*:"
    r"|[“„][^“”„\n]{0,200}[”“]\s*:|[A-Za-z_$][\w$.-]*\s*:)"
)
KEY_CUT = re.compile(
    r"\s*(?:\"(?:[^\"\\\n]|\\.)*\\?\"?|['“„][^\"'“”„\n]*['\"”]?|[A-Za-z_$][\w$.-]*)?\s*\Z"
)
# A quote beside these shows that the string ended before, or began later.
STRUCTURE = re.compile(r"\A\s*\"|\"[\s,]*\Z|\"\s*[:;\"]|\"\s*,\s*[\"\[{\d]|[\[{]\s*\"|\"\s*[\]}]")
SEPARATED = re.compile(r"\"\s*,|,\s*\"")  # as well, in a list
MEMBER_INSIDE = re.compile(r"\b[A-Za-z_]\w*\s*:(?!//)")
NUMBER = re.compile(
    r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?(?=[ \t\r]*(?:[,}\]\n]|/[/*]|#|$)|[ \t]+\")"
)
SLOPPY_NUMBER = re.compile(r"([-+]?)(\d*)(?:\.(\d*))?(?=[ \t\r]*(?:[,}\]\n]|$))")
WORD = re.compile(r"[A-Za-z]+(?=[\s,}\]:]|$)")
BARE_KEY = re.compile(r"[A-Za-z_$][\w$.-]*(?=\s*:)")
BARE_VALUE = re.compile(r"\w[^,{}\[\]\"'\n]{0,199}(?=[,}\n])")
ESCAPES = re.compile(
    r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\U00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4}|\\[\"\\/bfnrt]|\\\n|\\.|[\x00-\x1f\"]",
    re.DOTALL,
)
WHOLE_ESCAPES = re.compile(r"(?:[^\\]+|\\u[0-9a-fA-F]{4}|\\[^u])*")
HALF_CHARACTER = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}$")
LITERALS = {
    "true": ("true", ""),
    "false": ("false", ""),
    "null": ("null", ""),
    "True": ("true", "Python literals"),
    "False": ("false", "Python literals"),
    "None": ("null", "Python literals"),
    "TRUE": ("true", "literals in capitals"),
    "FALSE": ("false", "literals in capitals"),
    "NULL": ("null", "literals in capitals"),
    "Null": ("null", "literals in capitals"),
    "NaN": ("null", NAN_BECAME_NULL),
    "nan": ("null", NAN_BECAME_NULL),
    "undefined": ("null", "undefined became null"),
}
SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"'}


PREFIXED = re.compile(r"[bBrRfFuU]{1,2}[\"']")  # as Python writes bytes
INFINITE = re.compile(r"[-+]?(?:Infinity|inf|Inf|infinity)\b")
_STRAY = re.compile(
    r"\\[^\"\\/bfnrtuxU'\n]|\\u(?![0-9a-fA-F]{4})|\\x(?![0-9a-fA-F]{2})"
    r"|\\U(?!00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})"
)
_LETTERS = re.compile(r"\\(.)", re.DOTALL)
_COMMANDS = re.compile(
    r"\\(?:n(?:abla|atural|earrow|eg|eq|ewline|exists|i|mid|ot|otin|u|warrow)"
    r"|r(?:angle|brace|brack|ceil|floor|ho|ight\w*|m)|t(?:an|anh|au|ext\w*|frac|heta|ilde|imes|o|op"
    r"|riangle\w*))(?![A-Za-z])"
)
_PATH = re.compile(r"(?:[A-Za-z]:|\\)\\[^\s\"]+")


class Ambiguous(ValueError):
    """A string whose backslashes may be escapes, or be meant as they stand."""


def as_json_string(inner: str) -> tuple[str, list[str]]:
    """A JSON string of what stood between quotes, its escapes kept, and what was mended in it.

    Where one backslash is stray, the writer did not escape: every backslash before a letter is
    then meant as it stands (``\alpha + \frac``). Raises Ambiguous where some may be either.
    """
    if inner.isprintable() and "\\" not in inner and '"' not in inner:
        return f'"{inner}"', []
    mended: list[str] = []
    if _STRAY.search(inner.replace("\\\\", "  ")):
        _literal_backslashes(inner)
        mended.append("stray backslashes")
        inner = _LETTERS.sub(_doubled, inner)

    def escape(found: re.Match[str]) -> str:
        text = found[0]
        if text == '"' or (
            text[0] == "\\" and ((text[1:2] == "u" and len(text) == 6) or text[1] in '"\\/bfnrt')
        ):
            return SHORT_ESCAPES.get(text, text)
        if text == "\\'":
            return "'"
        if len(text) > 2 and text[1] in "xU":  # as Python writes them
            return json.dumps(chr(int(text[2:], 16)))[1:-1]
        if text[0] != "\\":
            mended.append("control characters in strings")
            return SHORT_ESCAPES.get(text) or f"\\u{ord(text):04x}"
        mended.append("stray backslashes")
        return "\\n" if text[1] == "\n" else "\\\\" + ESCAPES.sub(escape, text[1])

    return f'"{ESCAPES.sub(escape, inner)}"', mended


def _doubled(found: re.Match[str]) -> str:
    text, letter = found[0], found[1]
    if letter in "\"'\n" or (letter == "u" and _HEX.match(found.string, found.end())):
        return text
    return "\\" + text


_HEX = re.compile(r"[0-9a-fA-F]{4}")


def _literal_backslashes(inner: str) -> None:
    """Raise Ambiguous unless every backslash of the string must stand for itself."""
    if "\\\\" in inner or '\\"' in inner:  # somebody who knew how to escape
        raise Ambiguous
    rest = _COMMANDS.sub("", inner)
    rest = rest if _PATH.search(inner) is None or re.search(r"\s", inner) else ""
    if re.search(r"\\[nrt]", rest):  # the others are control characters that nobody writes
        raise Ambiguous
