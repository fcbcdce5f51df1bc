"""Bytes to text: the encoding of a file that does not state it."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from email.message import Message
from functools import cache, lru_cache

from prompture.document_errors import DocumentUnreadable, DocumentUnsupported
from prompture.errors import MissingExtra

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_SAMPLE = 65_536
"""Bytes that are looked at: detection is slow, and a page shows what a book is written in."""
_GUESSES = [
    "cp932", "gb18030", "big5", "euc_jp", "cp949", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254",
    "cp1255", "cp1256", "cp874", "cp1252",
]  # fmt: skip
_CONTROL = bytes(byte for byte in range(32) if byte not in b"\t\n\x0b\x0c\r\x1a\x1b")
_NOT_WESTERN = re.compile("[šžŠŽþÞ]|(?<=[a-z])[³¹¿¾¼Ÿ]|[³¹Ÿ](?=[a-z])")
"""What Polish or Czech in Windows-1250 looks like where it is read as Windows-1252."""
_ODD = re.compile("[\u0080-\u009f\ue000-\uf8ff]")
_ESCAPES = (b"\x1b$B", b"\x1b$@", b"\x1b(J")


def decoded(
    data: bytes, encoding: str | None = None, *, name: str = "", stated: str = ""
) -> tuple[str, str]:
    """The text, and a note where its encoding is a guess ("" else).

    ``encoding`` is the caller's and is obeyed; ``stated`` is what the file says of itself, and is
    believed where it fits. Raises DocumentUnreadable, and DocumentUnsupported for what is no text.
    """
    if encoding:
        try:
            return data.decode(encoding).removeprefix("\ufeff"), ""
        except (UnicodeDecodeError, LookupError, ValueError) as exc:
            raise DocumentUnreadable(f"it is not {encoding}: {exc}", name=name) from None
    for mark, marked in _MARKS:
        if data.startswith(mark):
            return _marked(data, marked, name)
    if wide := _wide(data):
        return data.decode(wide, "replace"), f"read as {wide.upper()}, which is a guess"
    if looks_binary(data):
        raise DocumentUnsupported("it is binary, no text", name=name)
    if any(escape in data[:_SAMPLE] for escape in _ESCAPES) and (
        text := _as(data, "iso2022_jp_ext")
    ):
        return text, ""
    if (text := _as(data, "utf-8")) is not None:
        return text, ""
    if stated and (text := _as(data, stated)) is not None:
        return text, ""
    guess = _guess(data)
    text = _as(data, guess)
    if text is None:  # what comes behind the sample does not fit: no loss, but marked
        text = data.decode(guess, "replace")
    return text, f"it is not UTF-8, and was read as {_SHOWN.get(guess, guess)}, which is a guess"


_SHOWN = {
    "cp932": "Shift_JIS", "gb18030": "GB18030", "big5": "Big5", "euc_jp": "EUC-JP", "cp949": "EUC-KR",
    "koi8_r": "KOI8-R", "cp1252": "Windows-1252", "latin-1": "Latin-1", "cp1251": "Windows-1251",
    "cp1250": "Windows-1250", "cp1254": "Windows-1254",
    "cp1257": "Windows-1257", "iso8859_2": "ISO-8859-2", "utf-8": "UTF-8 with faults",
}  # fmt: skip


def _marked(data: bytes, encoding: str, name: str) -> tuple[str, str]:
    try:
        return data.decode(encoding).removeprefix("\ufeff"), ""
    except UnicodeDecodeError as exc:
        text = data.decode(encoding, "replace").removeprefix("\ufeff")
        # A cut or a few broken bytes are marked; a file that is mostly broken is refused.
        if text.count("\ufffd") > 1 + len(text) // 100:
            raise DocumentUnreadable(f"it begins as {exc.encoding} and is not", name=name) from None
        return text, f"bytes that are not {exc.encoding} became U+FFFD"


def _as(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError, ValueError):
        return None


def _wide(data: bytes) -> str:
    """UTF-16 or UTF-32 without its mark: every second byte of European text is zero."""
    sample = data[: _SAMPLE - _SAMPLE % 4]
    if b"\0" not in sample or len(sample) < 4:
        return ""
    for encoding, step, at in (
        ("utf-32-le", 4, (1, 2, 3)),
        ("utf-32-be", 4, (0, 1, 2)),
        ("utf-16-le", 2, (1,)),
        ("utf-16-be", 2, (0,)),
    ):
        units = len(sample) // step
        zeros = [sample[offset::step].count(0) for offset in at]
        if len(data) % step == 0 and (
            min(zeros[1:] if encoding == "utf-32-le" else zeros[:2]) > 0.9 * units
            if step == 4
            else zeros[0] > 0.2 * units
        ):
            text = sample.decode(encoding, "replace")
            control = sum(ch < " " and ch not in "\t\n\r\f\v" for ch in text)
            if control + text.count("\ufffd") <= len(text) // 50:
                return encoding
    return ""


def stated_name(headers: Message) -> str:
    """The name of a file as headers state it, "" where they state none."""
    try:
        return headers.get_filename() or ""
    except (ValueError, LookupError):  # in an encoding that decodes no such text
        return ""


def looks_binary(data: bytes) -> bool:
    """Whether the beginning holds bytes that no text has."""
    start = data[:4096]
    stray = len(start) - len(start.translate(None, _CONTROL))
    return stray > max(2, len(start) // 50)


def _guess(data: bytes) -> str:
    sample = data[:_SAMPLE]
    if _is_nearly_utf8(sample):
        return "utf-8"
    western = _as(data, "cp1252")
    if found := _latin(sample):
        return found
    high = len(sample) - len(sample.translate(None, _HIGH))
    if high == 1 or 3 * high < 2 * len(re.findall(rb"[A-Za-z]", sample)):
        # Few marks among Latin letters: a detector of languages has too little to go by.
        if western is not None and not _NOT_WESTERN.search(western):
            return "cp1252"
    elif found := _best_script(sample):
        return found
    try:
        from charset_normalizer import from_bytes
    except ImportError as missing:
        raise MissingExtra(extra="documents", package="charset-normalizer") from missing
    best = from_bytes(sample, cp_isolation=_GUESSES, preemptive_behaviour=False).best()
    guess = best.encoding if best is not None else "cp1252"
    # Five bytes have no meaning to Windows.
    return "latin-1" if guess == "cp1252" and western is None else guess


_HIGH = bytes(range(128, 256))


def _is_nearly_utf8(sample: bytes) -> bool:
    """A UTF-8 text with a fault or two, not another encoding."""
    faulty = sample.decode("utf-8", "replace").count("\ufffd")
    wide = sum(ch > "\x7f" for ch in sample.decode("utf-8", "ignore"))
    return wide >= 20 * faulty


# Latin letters: the encoding in which all that is not ASCII belongs to one language.

_LETTERS = {
    "cp1252": {
        "de": "äöüß", "fr": "àâæçéèêëîïôœùûüÿ", "es": "áéíñóúü", "pt": "áâãàçéêíóôõúü",
        "it": "àèéìíòóùú", "ca": "àçèéíïòóúü", "nl": "éëïöüèêç", "da": "æøåéö", "sv": "åäöéü",
        "is": "áéíóúýðþæö", "et": "äöõüšž",
    },
    "cp1250": {
        "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž", "pl": "ąćęłńóśźż", "hu": "áéíóöőúüű",
        "hr": "čćđšž", "ro": "ăâîşţ",
    },
    "cp1254": {"tr": "çğıöşüâîûi̇"},
    "cp1257": {"lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž"},
}  # fmt: skip
_LETTERS["iso8859_2"] = _LETTERS["cp1250"]
_PLACES = {
    "frè": "[a-z].[a-z]", "frù": "où.", "frç": "..[aouâàôéû]", "ptç": "..[aouãõâôáóú]", "ptõ": "..e",
    "ptã": "..[^a-df-np-rt-z]", "isþ": "[^a-zþ]..", "isð": "[^\\W\\d]..", "etõ": "..[a-z]",
    **{f"it{letter}": "..[^a-z]" for letter in "àèéìíòóùú"},
}  # fmt: skip
"""Where letters stand in a language that has them, with a character before and one behind."""
_CZECH_OR_POLISH = re.compile(r"\b(?:Kč|D?IČ)\b|\b[Čč]\.|[Pp]oč[et]t|březn|\b[Tt]ři\b|\bzł\b")
"""Words that settle it where two languages have all letters."""
_MOST_STRAY = 0.05


def _latin(sample: bytes) -> str:
    """The encoding of a text in Latin letters, "" where it is in none, or not surely in one."""
    runs = re.findall(rb"[A-Za-z]?[\x80-\xff]+[A-Za-z]?", sample)
    among_letters = sum(not (run[0] & 128 and run[-1] & 128) for run in runs)
    western = _decoded_start(sample, "cp1252") or "?"
    if 2 * among_letters < len(runs) and any(ch > "\x7f" and ch.isalpha() for ch in western):
        return ""  # words of another script
    best, most = "", 1 - _MOST_STRAY
    for encoding, languages in _LETTERS.items():
        text = _decoded_start(sample, encoding)
        if text is None or _ODD.search(text):
            continue
        seen = Counter(
            triple
            for triple in zip(f" {text}", text, f"{text[1:]} ", strict=False)
            if triple[1] > "\x7f"
        )
        hint = 0.001 if encoding != "cp1252" and _CZECH_OR_POLISH.search(text) else 0.0
        for language in languages:
            fitting = sum(n for triple, n in seen.items() if _fits(encoding, language, *triple))
            # The first one wins where several fit: the western ones are the most frequent.
            if (score := fitting / max(1, seen.total()) + hint) > most:
                best, most = encoding, score
    return best


@lru_cache(maxsize=10_000)
def _fits(encoding: str, language: str, before: str, char: str, after: str) -> bool:
    """Whether a language has this character between these."""
    if not char.isalpha() or char in "ªºµ":
        if char in "²³" and before in "mtn":  # m², ft³, in²
            return True
        follows_word = before.isalpha() and char in "¹²³¼½¾¿¡£¥"
        return not (follows_word or (before.isalpha() and after.isalpha() and char not in "’‘·\xad")
                    or (char in "£³¹¾¼" and after.isalpha()))  # fmt: skip
    if char.lower() not in _LETTERS[encoding][language]:
        return False
    place = _PLACES.get(f"{language}{char.lower()}")
    return place is None or re.match(place, f"{before}{char}{after}".lower()) is not None


_FREQUENT = {
    "cp932": "日年月人大本中会国長出時行見分後前生東社事者地業合金請求書領収株式商店円区市京都名様計税品番号数量単価住所電話"
             "のにはをたがでてとしれさるいかもなすりんこスンルトラリアドプメ、。・ー　（）：",
    "gb18030": "的一是在不了有人这中大来上国个为到说们时要以地年会公司金额合同民币元总计发票号日期月市区方甲乙、。，：；（）　",
    "big5": "的一是在不了有人這中大來上國個為到說們時要以地年會公司金額合同民幣元總計發票號日期月市區方甲乙、。，：；（）　",
    "cp949": "이다는을의가에한고하은지로기사를도서어인자정시대과리해아그여보제원수일나전부상라장주만성동관계영공연합신조금입니습울특별",
    "cp1251": "оеаинтсрвлкмдпу", "koi8_r": "оеаинтсрвлкмдпу", "cp1253": "αοιετσνηυρπκάέήίόύώς",
    "cp1255": "יוהלאתבמרשחנםכס", "cp1256": "اليمونترةبعدف", "cp874": "านรอกเงมยลวดทสตะปบคหแจพช่้ี็ั",
}  # fmt: skip
"""What texts of a script are mostly made of, by the encoding that they are looked for in."""
_FREQUENT["euc_jp"] = _FREQUENT["cp932"]
_LEAST_SHARE = 0.3


def _best_script(sample: bytes) -> str:
    """The encoding in which a text that is not in Latin letters has the most frequent characters."""
    best, most = "", _LEAST_SHARE
    for encoding, frequent in _FREQUENT.items():
        text = _decoded_start(sample, encoding)
        if text is None or _ODD.search(text):
            continue
        wide = [ch for ch in text if ch > "\x7f"]
        score = sum(map(frequent.__contains__, wide)) / max(1, len(wide))
        if encoding in _COMMON_LEADS:
            # Of thousands of characters the frequent ones are few: the daily ones count, too.
            score += 0.3 * sum(ch in _daily(encoding) for ch in wide) / max(1, len(wide))
        if score > most:
            best, most = encoding, score
    return best


def _decoded_start(sample: bytes, encoding: str) -> str | None:
    """The sample's text; its last character may be cut off."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return None


_COMMON_LEADS = {  # lead bytes of the characters in daily use, with the bytes that follow them
    "gb18030": (range(0xB0, 0xD8), range(0xA1, 0xFF)),
    "big5": (range(0xA4, 0xC7), (*range(0x40, 0x7F), *range(0xA1, 0xFF))),
    "cp932": (range(0x88, 0x99), (*range(0x40, 0x7F), *range(0x80, 0xFD))),
    "euc_jp": (range(0xB0, 0xD0), range(0xA1, 0xFF)),
}


@cache
def _daily(encoding: str) -> frozenset[str]:
    leads, trails = _COMMON_LEADS[encoding]
    return frozenset(
        "".join(
            bytes((lead, trail)).decode(encoding, "ignore") for lead in leads for trail in trails
        )
    )
