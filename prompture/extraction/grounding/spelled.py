"""Whole numbers in words, as English, German, French, Spanish, Italian, Portuguese and Dutch spell
them: "twenty-five", "fünfundzwanzig", "vingt-cinq"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

Spell = Callable[[int], str]

MOST = 999_999_999
"""Greater numbers are printed in figures."""

_EN_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    " fifteen sixteen seventeen eighteen nineteen"
)
_EN = _EN_WORDS.split()
_EN_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_EN_TENS = _EN_TENS_WORDS.split()
_DE_WORDS = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn"
    " fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
_DE = _DE_WORDS.split()
_DE_TENS_WORDS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_DE_TENS = _DE_TENS_WORDS.split()
_NL_WORDS = (
    "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien"
    " vijftien zestien zeventien achttien negentien"
)
_NL = _NL_WORDS.split()
_NL_TENS_WORDS = "twintig dertig veertig vijftig zestig zeventig tachtig negentig"
_NL_TENS = _NL_TENS_WORDS.split()
_FR_WORDS = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze"
    " seize dix-sept dix-huit dix-neuf"
)
_FR = _FR_WORDS.split()
_FR_TENS_WORDS = "vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt"
_FR_TENS = _FR_TENS_WORDS.split()
_ES_WORDS = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince"
    " dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés"
    " veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve"
)
_ES = _ES_WORDS.split()
_ES_TENS_WORDS = "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa"
_ES_TENS = _ES_TENS_WORDS.split()
_ES_HUNDREDS_WORDS = (
    "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos"
    " ochocientos novecientos"
)
_ES_HUNDREDS = _ES_HUNDREDS_WORDS.split()
_IT_WORDS = (
    "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici"
    " quattordici quindici sedici diciassette diciotto diciannove"
)
_IT = _IT_WORDS.split()
_IT_TENS_WORDS = "venti trenta quaranta cinquanta sessanta settanta ottanta novanta"
_IT_TENS = _IT_TENS_WORDS.split()
_PT_WORDS = (
    "zero um dois três quatro cinco seis sete oito nove dez onze doze treze quatorze quinze"
    " dezesseis dezessete dezoito dezenove"
)
_PT = _PT_WORDS.split()
_PT_TENS_WORDS = "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa"
_PT_TENS = _PT_TENS_WORDS.split()
_PT_HUNDREDS_WORDS = (
    "cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos"
)
_PT_HUNDREDS = _PT_HUNDREDS_WORDS.split()


_SCALES_WORDS = (
    "hundred thousand million billion hundert tausend million millionen cent cents mille millions"
    " ciento mil millón millones cento mila milione milioni milhão milhões half halb"
)
SCALE_WORDS = frozenset(_SCALES_WORDS.split())
"""Words that make a greater number of the one beside them."""


@lru_cache(maxsize=4096)
def spellings(number: int) -> tuple[tuple[str, str], ...]:
    """How a whole number is spelled, each with its language; 1 in English only, for elsewhere it
    is an article."""
    if not 0 <= number <= MOST:
        return ()
    if number == 1:
        return (("en", "one"),)
    english = [_english(number, joint=" "), _english(number, joint=" and ")]
    is_one = 100 <= number < 200 or 1000 <= number < 2000
    if is_one:
        english += [word.replace("one ", "a ", 1) for word in english]
    german = _germanic(number, _DE, _DE_TENS, und="und", hundred="hundert", thousand="tausend")
    germans = [german, german.removeprefix("ein") if is_one else ""]
    if number > 100 and number % 100 == 1:
        germans += [f"{word}s" for word in germans if word]
    words = [
        *(("en", word) for word in english),
        *(("de", word) for word in germans),
        ("nl", _germanic(number, _NL, _NL_TENS, und="en", hundred="honderd", thousand="duizend")),
        ("fr", _french(number)),
        ("es", _spanish(number)),
        ("it", _italian(number)),
        ("pt", _portuguese(number)),
    ]
    words += [(code, word.replace("-", " ")) for code, word in words if "-" in word]
    return tuple(dict.fromkeys((code, word) for code, word in words if word not in _NO_NUMBERS))


_NO_NUMBERS = frozenset(["", "null", "nul"])
"""Words that mostly mean something else."""
_FUNCTION_WORDS = {
    "en": "the of and to in for is by this that with",
    "de": "der die das und den von mit für ist nicht eine am vom zum zur bei beim kein eines nach im",
    "nl": "het een van en voor niet met zijn op aan bij naar geen wordt",
    "fr": "le les des du et une dans est pour sur par au aux avec pas",
    "es": "el los las del una por con para que se al sin",
    "it": "il di che della con per gli sono nel alla dal non del al",
    "pt": "os do da em um não para uma nos ao com sem pela",
}
_LANGUAGES_OF: dict[str, list[str]] = {
    word: [code for code, words in _FUNCTION_WORDS.items() if word in words.split()]
    for word in " ".join(_FUNCTION_WORDS.values()).split()
}
_WORD = re.compile(r"[^\W\d_]+")


def languages(text: str) -> frozenset[str]:
    """The languages that a text is in, by its most common words; all where it has none of these.

    "due" is a number in Italian alone, "once" in Spanish.
    """
    counts = _counts(_words_of(text))
    most = max(counts.values(), default=0)
    return frozenset(code for code in _FUNCTION_WORDS if counts[code] >= 0.4 * most)


def has_day_first(text: str) -> bool:
    """Whether a text is in a language that writes no month before the day: neither English, nor
    Chinese, Japanese or Korean, nor one that is not known."""
    words = _words_of(text)
    # Greek, Cyrillic, Hebrew, Arabic, Hindi, Thai.
    if any("\u0370" <= word[0] < "\u1100" for word in words):
        latin = sum(word[0] < "\u0370" for word in words)
        return 2 * latin < len(words)
    counts = _counts(words)
    return (
        bool(counts)
        and counts.total() - counts["en"] >= 4
        and 5 * counts["en"] < max(counts.values())
    )


def _words_of(text: str) -> list[str]:
    return _WORD.findall(text[:20_000].lower())


def _counts(words: list[str]) -> Counter[str]:
    """How many function words of each language are among the words."""
    return Counter(code for word in words for code in _LANGUAGES_OF.get(word, ()))


@lru_cache(maxsize=1)
def _by_word() -> dict[str, int]:
    numbers = (*range(99, 1, -1), *range(100, 1001, 100))
    return {word.casefold(): n for n in numbers for _, word in spellings(n)}


def spelled_number(word: str) -> int | None:
    """The number, up to a hundred and of whole hundreds up to a thousand, that a word spells."""
    return _by_word().get(word.casefold())


def _english(number: int, *, joint: str) -> str:
    if number < 20:
        return _EN[number]
    if number < 100:
        return _EN_TENS[number // 10 - 2] + (f"-{_EN[number % 10]}" if number % 10 else "")
    for size, name in ((1_000_000, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            head, rest = divmod(number, size)
            tail = f"{joint if rest < 100 else ' '}{_english(rest, joint=joint)}" if rest else ""
            return f"{_english(head, joint=joint)} {name}{tail}"
    raise AssertionError(number)


def _germanic(
    number: int, ones: list[str], tens: list[str], *, und: str, hundred: str, thousand: str
) -> str:
    if number >= 1_000_000:
        return ""
    if number < 20:
        return ones[number]
    if number < 100:
        ten = tens[number // 10 - 2]
        one = ones[number % 10]
        # Dutch parts two vowels: tweeëntwintig.
        link = "ën" if und == "en" and one.endswith("e") else und
        return f"{one}{link}{ten}" if number % 10 else ten
    size, name = (1000, thousand) if number >= 1000 else (100, hundred)
    head, rest = divmod(number, size)
    given = {"und": und, "hundred": hundred, "thousand": thousand}
    before = _germanic(head, ones, tens, **given) if head > 1 or und == "und" else ""
    return before + name + (_germanic(rest, ones, tens, **given) if rest else "")


def _french(number: int) -> str:
    if number < 20:
        return _FR[number]
    if number < 100:
        ten, one = divmod(number, 10)
        if ten in (7, 9):
            ten, one = ten - 1, one + 10
        word = _FR_TENS[ten - 2]
        if number == 80:
            return "quatre-vingts"
        if one in (1, 11) and ten != 8:
            return f"{word} et {_FR[one]}"
        return f"{word}-{_FR[one]}" if one else word
    if number < 1000:
        head, rest = divmod(number, 100)
        cent = "cent" if head == 1 else f"{_FR[head]} cent{'' if rest else 's'}"
        return cent + (f" {_french(rest)}" if rest else "")
    words = _thousands(number, _french, thousand="mille", million="million", millions="millions")
    # Before "mille" the two have no plural: "deux cent mille".
    return words.replace("cents mille", "cent mille").replace("vingts mille", "vingt mille")


def _thousands(number: int, spell: Spell, *, thousand: str, million: str, millions: str) -> str:
    """A number of a thousand and more: "dos mil", "un million"."""
    size = 1_000_000 if number >= 1_000_000 else 1000
    head, rest = divmod(number, size)
    if size == 1000:
        words = thousand if head == 1 else f"{spell(head)} {thousand}"
    else:
        words = f"{spell(head)} {millions}" if head > 1 else f"un {million}"
    return words + (f" {spell(rest)}" if rest else "")


def _spanish(number: int) -> str:
    words = _iberian(
        number, _spanish, _ES, _ES_TENS, _ES_HUNDREDS,
        hundred="cien", link=" y ", joint=" ", million="millón", millions="millones",
    )  # fmt: skip
    return words.replace("veintiuno mil", "veintiún mil").replace("uno mil", "un mil")


def _portuguese(number: int) -> str:
    words = _iberian(
        number, _portuguese, _PT, _PT_TENS, _PT_HUNDREDS,
        hundred="cem", link=" e ", joint=" e ", million="milhão", millions="milhões",
    )  # fmt: skip
    rest = number % 1000
    # Behind "mil", what is below a hundred or of whole hundreds has an "e": "mil e duzentos".
    if number > 1000 and rest and (rest < 100 or rest % 100 == 0):
        tail = _portuguese(rest)
        words = f"{words.removesuffix(tail)}e {tail}"
    return words


def _iberian(
    number: int,
    spell: Spell,
    ones: list[str],
    tens: list[str],
    hundreds: list[str],
    *,
    hundred: str,
    link: str,
    joint: str,
    million: str,
    millions: str,
) -> str:
    """``link`` stands behind tens, ``joint`` behind hundreds; ``hundred`` is 100 alone."""
    if number < len(ones):
        return ones[number]
    if number < 100:
        return tens[number // 10 - 2] + (f"{link}{ones[number % 10]}" if number % 10 else "")
    if number == 100:
        return hundred
    if number < 1000:
        rest = number % 100
        return hundreds[number // 100 - 1] + (f"{joint}{spell(rest)}" if rest else "")
    return _thousands(number, spell, thousand="mil", million=million, millions=millions)


def _italian(number: int) -> str:
    if number < 20:
        return _IT[number]
    if number < 100:
        ten, one = _IT_TENS[number // 10 - 2], number % 10
        # A vowel falls before another: ventuno, ventotto; and the last three has an accent.
        return (ten[:-1] if one in (1, 8) else ten) + (
            "tré" if one == 3 else _IT[one] if one else ""
        )
    if number < 1000:
        head, rest = divmod(number, 100)
        return (_IT[head] if head > 1 else "") + "cento" + (_italian(rest) if rest else "")
    if number < 1_000_000:
        head, rest = divmod(number, 1000)
        words = "mille" if head == 1 else f"{_italian(head).replace('tré', 'tre')}mila"
        return words + (_italian(rest) if rest else "")
    return _thousands(number, _italian, thousand="mille", million="milione", millions="milioni")
