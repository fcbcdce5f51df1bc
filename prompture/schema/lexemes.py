"""The pieces that almost-JSON is made of, as patterns; each is matched in linear time."""

from __future__ import annotations

import json
import re

SPACE = re.compile(r"(?:[\s\ufeff\u200b]+|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
PLAIN_STRING = re.compile(r'"[^"\\\x00-\x1f]*"')
TRIPLE = re.compile(r'"""(.*?)"""|\'\'\'(.*?)\'\'\'', re.DOTALL)
CURLY_QUOTED = re.compile(r"[“„]([^“”„]*)[”“]")
# A quote inside a string is taken for text unless what follows can follow a string.
LOOSE_VALUE = {
    q: re.compile(rf"{q}((?:[^{q}\\]|\\.|{q}(?!\s*(?:[,}}\]]|$)))*){q}", re.DOTALL) for q in "\"'"
}
LOOSE_KEY = {q: re.compile(rf"{q}((?:[^{q}\\\n]|\\.|{q}(?!\s*:))*){q}(?=\s*:)") for q in "\"'"}
LOOSE_LENGTH = 10_000  # characters searched for the end of a string with quotes in it
NUMBER = re.compile(
    r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?(?=[ \t\r]*(?:[,}\]\n]|/[/*]|#|$))"
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
UNESCAPED = {q: re.compile(rf"[^{q}\\]*(?:\\.[^{q}\\]*)*{q}", re.DOTALL) for q in "\"'"}
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
    "NaN": ("null", "NaN became null"),
    "undefined": ("null", "undefined became null"),
}
SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"'}


def as_json_string(inner: str) -> tuple[str, list[str]]:
    """A JSON string of what stood between quotes, its escapes kept, and what was mended in it."""
    if inner.isprintable() and "\\" not in inner and '"' not in inner:
        return f'"{inner}"', []
    mended: list[str] = []

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
