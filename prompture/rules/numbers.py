"""Numbers as people print them: 1.234,56 and 1,234.56, brackets and trailing minus, currency marks."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from prompture.rules import data

# Digits with separators, in threes or as in India (1,23,456.78); white space separates thousands only when it is a no-break space.
_BODY = r"(?:\d{1,2}(?:,\d{2}){1,4},\d{3}(?!\d)(?:\.\d{1,6})?|\d{1,3}(?:[.,'’\u00a0\u202f]\d{3})+(?!\d)(?:[.,]\d{1,6})?|\d{1,18}(?:[.,]\d{1,6})?|[.,]\d{2})"
_NUMBER = re.compile(
    rf"(?<![\d.,])(?P<sign>[-−–+]\s?)?(?P<body>{_BODY})(?P<trail>-(?![\w-]|[^\w\s]\d))?"
)
_POINT = re.compile(r"\d\.\d{2}(?![\d.,])")
_COMMA = re.compile(r"\d,\d{2}(?![\d.,])")
FRACTIONS = frozenset("¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞")
_MINUS = frozenset("-−–")

CURRENCY_SYMBOLS = {
    mark: str(code) for mark, code in data.load("currencies")["symbols"].items() if mark != "source"
}
CURRENCY_CODES = frozenset(data.words("currencies", "codes"))
# The longest first: "US$" is not "$" with letters before it.
_SYMBOLS = "|".join(re.escape(mark) for mark in sorted(CURRENCY_SYMBOLS, key=len, reverse=True))
CURRENCY = re.compile(
    rf"(?<![A-Za-z])(?:{'|'.join(sorted(CURRENCY_CODES))})(?![A-Za-z])"
    rf"|(?<![A-Za-z])(?:{_SYMBOLS})(?![a-z])"
)


_PLAIN = {
    **{ord(mark): "." for mark in "．٫"},
    **{ord(mark): "," for mark in "，٬"},
    **{ord(mark): "'" for mark in "’＇"},
    **{ord(mark): "-" for mark in "−－"},
    **{ord(mark): "/" for mark in "／"},
    **{ord(mark): ":" for mark in "："},
}

_SCALES = {
    3: "thousand tsd tausend mille mila mil k tys тыс тысяч 千 천 ألف אלף",
    4: "万 萬 만",
    5: "lakh lakhs lac 十万 十萬 십만",
    6: "million millions mio millionen milioni millones milhões m mm mn mln млн"
    " miljoen miljoner millioner milyon milion miliony milionów مليون ملايين מיליון 百万 百萬 백만",
    7: "crore crores cr 千万 千萬 천만",
    8: "億 亿 억",
    9: "billion billions bn b mrd milliarden milliard milliards miliardi млрд"
    " miljard milyar miliard مليار מיליארד 十億 十亿 십억",
    12: "trillion trillions tn bio billionen 兆 조",
}
POWERS = {word: power for power, words in _SCALES.items() for word in words.split()}
SCALE = re.compile(r"[ \u00a0]?([^\W\d_]{1,11})")
# Of these one cannot know without a currency mark: metres, millimetres, kelvin, bytes, organic, credit.
_SHORT = frozenset(["k", "m", "mm", "mn", "b", "bn", "cr", "tn", "bio"])


class _Digits(dict[int, str]):
    """For str.translate: digits of every script as 0 to 9, and their separators; one for one."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        digit = unicodedata.decimal(character, None)
        # Kept in the table itself: translate asks once for each character that it meets.
        self[code] = found = character if digit is None else str(digit)
        return found


def plain_digits(text: str) -> str:
    """The text with digits of every script and full-width marks as ASCII has them: as long as
    before, so that places stay."""
    return text if text.isascii() else text.translate(_Digits(_PLAIN))


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number and where it stood (offsets into the text searched); `decimals` counts printed decimal places."""

    value: Decimal
    start: int
    end: int
    decimals: int


def decimal_mark(text: str) -> str | None:
    """The decimal separator that the amounts of a text use, "." or ",", or None when they do not show it."""
    points = len(_POINT.findall(text))
    commas = len(_COMMA.findall(text))
    # Twice as many, for a list of articles ("1.25", "2.10") among prices proves nothing.
    if points > 2 * commas:
        return "."
    if commas > 2 * points:
        return ","
    return None


def find_numbers(
    text: str, start: int = 0, end: int | None = None, *, mark: str | None = None
) -> Iterator[Numeral]:
    """The numbers in `text[start:end]`, in order."""
    stop = len(text) if end is None else end
    for match in _NUMBER.finditer(text, start, stop):
        body = match["body"]
        value = read_decimal(body, mark=mark)
        if value is None:
            continue
        begin, finish = match.span("body")
        negative = match["trail"] is not None
        if match["sign"] and not _joined(text, match.start()):
            begin = match.start()
            negative = negative or match["sign"][0] in _MINUS
        elif signed := _SIGNED_MARK.search(text, max(start, begin - _MARK_REACH), begin):
            begin, negative = signed.start(), True
        if brackets := _brackets(text, begin, finish, start, stop):
            begin, finish, negative = *brackets, True
        yield Numeral(-value if negative else value, begin, finish, _decimals(value))


_MARK_REACH = 9  # characters: the longest mark, a blank, a sign and what stands before it
_MARK_ALONE = re.compile(r"(?<!\d)(?<!\d )(?:" + CURRENCY.pattern + r") ?\Z")
# "-$5" and "-EUR 5", but not the second amount of "$3-$5" and "$3 -$5".
_SIGNED_MARK = re.compile(r"(?<![\w)])(?<!\d )[-−–](?:" + CURRENCY.pattern + r") ?\Z")
_OPENED = re.compile(r"\((?:(?:" + CURRENCY.pattern + r") ?)?\Z")
_CLOSED = re.compile(r"(?: ?(?:" + CURRENCY.pattern + r"))?\)")


def _brackets(text: str, begin: int, finish: int, start: int, stop: int) -> tuple[int, int] | None:
    """The place of a number with the brackets around it, where they are a bookkeeper's minus: "(5.00)", "($5)".

    In "five (5)" they are no minus: a word stands before them.
    """
    opened = _OPENED.search(text, max(start, begin - _MARK_REACH), begin)
    closed = _CLOSED.match(text, finish, stop) if opened else None
    if opened is None or closed is None:
        return None
    near = text[max(start, opened.start() - 40) : opened.start()].rpartition("\n")[2]
    before = _LAST_WORDS.search(near)
    if before is not None and not all(is_currency(word) for word in before.groups("€")):
        return None
    return opened.start(), closed.end()


_LAST_WORDS = re.compile(r"(?:([^\W\d_]+)[^\w:：|]{1,3})?([^\W\d_]+)[^\w:：|]{0,3}\Z")


def is_priced(text: str, start: int, end: int) -> bool:
    """Whether a currency mark of its own stands before a number at `[start, end)`, behind it or in its brackets."""
    return (
        _MARK_ALONE.search(text, max(0, start - 6), start) is not None
        or CURRENCY.match(text[end : end + 5].lstrip()) is not None
        # A sign or a bracket is a part of the number, and with it the mark: -$5, ($5).
        or CURRENCY.search(text, start, end) is not None
    )


def scaled(text: str, number: Numeral, end: int) -> Numeral | None:
    """The number with the word behind it that multiplies it: "2.5 million", "$5k"; None where the
    word may do so or not: "5k", "3 M"."""
    found = SCALE.match(text, number.end, end)
    name = scale_of(found[1]) if found else ""
    if found is None or not name:
        return number
    marked = _MARK_ALONE.search(text, max(0, number.start - 6), number.start) or CURRENCY.search(
        text, number.start, number.end
    )
    if name in _SHORT and not marked:
        # "5 m" and "3 mm" are lengths, "12.00 CR" is a credit.
        return None if name in ("k", "bn", "mn") or found[1] in ("M", "B") else number
    if name == "cr":
        return number
    value = number.value * 10 ** POWERS[name]
    return Numeral(value, number.start, found.start(1) + len(name), number.decimals)


def scale_of(word: str) -> str:
    """The name of a power of ten that a word behind a number is, or begins with in a script without
    spaces, where other characters may follow at once: 5万円. "" for none."""
    word = word.casefold()
    # The longest first: 千万 is not 千.
    names = (word,) if word[:1].isascii() else (word, word[:2], word[:1])
    return next(
        (name for name in names if name in POWERS and (name == word or not is_spaced(name))), ""
    )


def is_spaced(word: str) -> bool:
    """Whether a word is of a script that parts words by spaces: what it begins with is no word."""
    return word[:1] < "\u1100"


def _joined(text: str, at: int) -> bool:
    """Whether a dash at `at` joins words ("10-20", "A-7") rather than making a number negative."""
    return at > 0 and (text[at - 1].isalnum() or text[at - 1] == ")")


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def read_decimal(body: str, *, mark: str | None = None) -> Decimal | None:
    """The value of digits with separators; `mark` decides what "1.234" means (by default a point is decimal)."""
    digits = re.sub(r"['’\u00a0\u202f\s]", "", body)
    last_point, last_comma = digits.rfind("."), digits.rfind(",")
    # Of two kinds of marks the last one is the decimal one, in every language.
    if last_point >= 0 and last_comma >= 0:
        decimal = "." if last_point > last_comma else ","
    else:
        decimal = _sole_mark(digits, mark)
    thousands = "," if decimal == "." else "."
    plain = digits.replace(thousands, "").replace(",", ".")
    # Two decimal marks: an address, a version, a date, but no number.
    if plain.count(".") > 1 or not any(c.isdigit() for c in plain):
        return None
    return Decimal(plain)


def _sole_mark(digits: str, mark: str | None) -> str:
    """Which separator is decimal when a number has only one kind of separator."""
    found = "." if "." in digits else ","
    other = "," if found == "." else "."
    tail = len(digits) - digits.rfind(found) - 1
    # A mark that comes twice parts thousands.
    if digits.count(found) > 1:
        return other
    # Three digits behind one mark are thousands or decimals: the text decides ("1.234" of 1,50 and 2,30).
    if tail != 3 or digits.startswith(("0", found)):
        return found
    if mark is not None:
        return mark
    return "." if found == "." else other


def is_currency(mark: str) -> bool:
    """Whether a mark is a currency's, be it one of several: the crowns of Sweden, Norway, Denmark."""
    return mark.lower() in ("kr", "kr.") or currency_code(mark) is not None


def currency_code(mark: str) -> str | None:
    """The ISO 4217 code of a printed code or symbol; "$" is taken for US dollars."""
    if mark.upper() in CURRENCY_CODES:
        return mark.upper()
    return CURRENCY_SYMBOLS.get(mark) or CURRENCY_SYMBOLS.get(mark.lower())


def amount_of(value: object) -> Decimal | None:
    """The amount of a JSON value, however the schema wanted it written; None when it is none."""
    if isinstance(value, str):
        match = re.search(r"[\d.,'’]+", value)
        return (
            read_decimal(match.group())
            if match and any(c.isdigit() for c in match.group())
            else None
        )
    return Decimal(str(value)) if isinstance(value, int | float) else None
