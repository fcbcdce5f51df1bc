"""Tokenizers: which one a model has, an estimate of its tokens, and OpenAI's own where they lie on disk.

The estimate is a linear model over classes of characters, fitted by ``scripts/calibrate_tokens.py`` to 3,000 passages of 100 to 8,000 characters (contracts,
invoices, receipts, papers, resumes, citations, JSON Schemas, model answers, mostly English). A
quarter of the documents was held out; the error on their 692 passages, relative:

    o200k_base   median 3.8 %   90th percentile 10.1 %   99th percentile 17 %
    cl100k_base  median 3.8 %   90th percentile 11.9 %   99th percentile 23 %

A quarter of the characters, the rule of thumb, errs by 17 % and 45 % there. One paragraph in each
of 21 languages was fitted with them and not held out, and even so single languages are far off
(o200k: Italian 28 % low, Russian 27 % high, German 18 % low; cl100k: Dutch and Greek 36 % low), so
the range is wider for text that is not plain ASCII. The weights of accented words were set by
hand. For tokenizers that are not published, ``FAMILIES`` has the factor on the o200k figure; its
error was measured on the same recorded answers (30 tokens or more) that the factor was chosen by.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from functools import cache
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING

from prompture import given
from prompture.forks import fork_lock

if TYPE_CHECKING:
    from tiktoken import Encoding

log = logging.getLogger("prompture.catalog")
_DOWNLOAD = "PROMPTURE_TIKTOKEN_DOWNLOAD"


@dataclass(frozen=True, slots=True)
class TokenizerFamily:
    """Models that share a tokenizer, as far as is known.

    ``factor`` is on the o200k estimate, ``spread`` the relative half-width of the range that
    is reported (about the 90th percentile of the error), ``measured`` (median, 90th percentile,
    number of answers), None where there were too few recordings.
    """

    factor: float
    spread: float
    measured: tuple[float, float, int] | None = None
    overhead: int = 4


FAMILIES = {
    "o200k": TokenizerFamily(1.0, 0.12, (0.038, 0.101, 692)),
    "cl100k": TokenizerFamily(1.0, 0.14, (0.038, 0.119, 692)),
    "claude": TokenizerFamily(1.10, 0.17, (0.040, 0.152, 52)),
    "claude-5": TokenizerFamily(1.45, 0.30),
    "gemini": TokenizerFamily(1.03, 0.13, (0.041, 0.121, 88)),
    "llama": TokenizerFamily(1.02, 0.12, (0.023, 0.057, 26), overhead=10),
    "mistral": TokenizerFamily(1.0, 0.16, (0.043, 0.149, 13)),
    "qwen": TokenizerFamily(1.05, 0.20, (0.034, 0.175, 17), overhead=5),
    "deepseek": TokenizerFamily(1.0, 0.14, (0.035, 0.126, 11)),
    "grok": TokenizerFamily(1.01, 0.14, (0.053, 0.104, 11)),
    "command": TokenizerFamily(1.05, 0.30),
    "unknown": TokenizerFamily(1.05, 0.30),
}
_NAMES = (
    (r"claude-(?:opus-(?:4-[7-9]|[5-9])|sonnet-[5-9]|haiku-[5-9]|fable)", "claude-5"),
    (r"claude", "claude"),
    (r"gemini|gemma", "gemini"),
    (
        r"gpt-oss|gpt-4o|gpt-4\.1|gpt-4\.5|gpt-[5-9]|chatgpt-4o|codex|(?<![a-z0-9])o[134](?:-|$)",
        "o200k",
    ),
    (r"gpt-4|gpt-3\.5|gpt-35|text-embedding", "cl100k"),
    (r"mi[sx]tral|ministral|magistral|devstral|codestral|pixtral|voxtral", "mistral"),
    (r"qwen|qwq|qvq", "qwen"),
    (r"deepseek", "deepseek"),
    (r"llama|hermes|nemotron", "llama"),
    (r"grok", "grok"),
    (r"command|aya", "command"),
)
_FAMILY = [(re.compile(pattern), family) for pattern, family in _NAMES]

_LETTERS = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")
_DIGITS = re.compile(r"[0-9]+")
_SIGNS = re.compile(r"[^\w\s]+|_+")
_BREAKS = re.compile(r"\n\s*")
_VIETNAMESE = re.compile(r"[\u1e00-\u1eff]")
_GAPS = re.compile(r"[^\S\n]{2,}")


_SCRIPTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"[\u0370-\u058f]",  # Greek, Cyrillic, Armenian
        r"[\u0590-\u08ff]",  # Hebrew, Arabic
        r"[\u0900-\u0dff]",  # India
        r"[\u0e00-\u109f]",  # Thai, Lao, Burmese
        r"[\u3400-\u9fff\uf900-\ufaff]",  # Chinese
        r"[\u3000-\u33ff]",  # kana and full-width signs
        r"[\uac00-\ud7ff]",  # Korean
        r"[\u2000-\u2fff\U00010000-\U0010ffff]",  # symbols, emoji
    )
)
CLASSES = (
    "words of letters",
    "letters past the sixth of a word",
    "capitals past the second of a word",
    "words of mixed case",
    "words with accents",
    "of them, Vietnamese words",
    "numbers",
    "three digits more of a number",
    "runs of signs",
    "signs past the first of a run",
    "line breaks",
    "wider gaps",
    "Greek or Cyrillic letters",
    "Hebrew or Arabic letters",
    "letters of India",
    "Thai letters",
    "Chinese characters",
    "kana",
    "Korean syllables",
    "symbols",
)
# fmt: off
WEIGHTS: dict[str, tuple[float, ...]] = {
    "o200k": (
        0.946, 0.147, 0.135, 0.455, 1.5, -1.6, 1.911, 1.899, 0.85, 0.091,
        0.479, 0.81, 0.4, 0.442, 0.04, 0.322, 0.83, 0.746, 0.738, 0.666,
    ),
    "cl100k": (
        0.964, 0.142, 0.134, 0.35, 3.5, -3.0, 1.919, 2.097, 0.846, 0.081,
        0.479, 0.827, 0.642, 0.904, 0.847, 0.898, 1.264, 0.924, 1.248, 0.688,
    ),
}
# fmt: on
"""Tokens per unit of each of ``CLASSES``."""
_WHOLE = 60_000
_SAMPLES = 16


def family_of(model: str) -> str:
    """The tokenizer family of a model id, ``"unknown"`` where its name shows none."""
    name = model.lower()
    return next((family for pattern, family in _FAMILY if pattern.search(name)), "unknown")


def estimate(text: str, family: str) -> float:
    """Tokens, likely. Of a text past 60,000 characters, samples spread over it are counted."""
    weights = WEIGHTS["cl100k" if family == "cl100k" else "o200k"]
    factor = FAMILIES[family].factor
    if len(text) <= _WHOLE:
        return _weigh(text, weights) * factor
    each = _WHOLE // _SAMPLES
    step = (len(text) - each) // (_SAMPLES - 1)
    samples = (text[i * step : i * step + each] for i in range(_SAMPLES))
    return sum(_weigh(s, weights) for s in samples) * factor * len(text) / (each * _SAMPLES)


def classes(text: str) -> list[int]:
    """How many units of each of ``CLASSES`` the text has."""
    words = _LETTERS.findall(text)
    numbers = _DIGITS.findall(text)
    signs = _SIGNS.findall(text)
    plain = text.isascii()
    return [
        len(words),
        sum([len(x) - 6 for x in words if len(x) > 6]),
        sum([len(x) - 2 for x in words if len(x) > 2 and x.isupper()]),
        sum([not (x.islower() or x.isupper() or x.istitle()) for x in words]),
        0 if plain else sum([not x.isascii() for x in words]),
        0 if plain else sum([_VIETNAMESE.search(x) is not None for x in words]),
        len(numbers),
        sum([(len(x) - 1) // 3 for x in numbers]),
        len(signs),
        sum(map(len, signs)) - len(signs),
        len(_BREAKS.findall(text)),
        len(_GAPS.findall(text)),
        *(0 if plain else len(script.findall(text)) for script in _SCRIPTS),
    ]


def _weigh(text: str, weights: tuple[float, ...]) -> float:
    total = sum(map(mul, classes(text), weights))
    return max(total, 1.0) if text else 0.0


# OpenAI's vocabularies: only where they lie on disk already, never a silent download.
# ``tiktoken.get_encoding`` fetches what its cache lacks, without a time limit, and drops a cached
# file whose hash is wrong to fetch it anew. So the file is looked at first, hash and all, and
# tiktoken is asked only when it will find it. What few need (hashlib, tempfile) is imported there.

_SITE = "https://openaipublic.blob.core.windows.net/encodings/"
FILES = {
    "o200k_base": (
        _SITE + "o200k_base.tiktoken",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
    "cl100k_base": (
        _SITE + "cl100k_base.tiktoken",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
}
"""Where tiktoken has each vocabulary from, and its SHA-256."""
DOWNLOAD_SECONDS = 20.0
MAX_BYTES = 8 * 1024 * 1024
_lock = fork_lock()


def encoding(name: str) -> Encoding | None:
    """The encoding if its vocabulary is on disk (in TIKTOKEN_CACHE_DIR or tiktoken's default).

    ``PROMPTURE_TIKTOKEN_DOWNLOAD=1`` allows one download a process, of at most 20 seconds.
    """
    folder = cache_folder()
    if folder is None or name not in FILES:
        return None
    with _lock:
        # Held while a vocabulary loads: ``cache`` alone would let each thread load, or fetch, its
        # own.
        return _loaded(name, str(folder), _may_download(os.environ.get(_DOWNLOAD, "")))


def cache_folder() -> Path | None:
    """The folder in which tiktoken keeps its vocabularies, None where caching is switched off."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable]) if os.environ[variable] else None
    import tempfile

    return Path(tempfile.gettempdir()) / "data-gym-cache"


@cache
def _loaded(name: str, folder: str, download: bool) -> Encoding | None:
    import hashlib

    try:
        import tiktoken
    except ImportError:
        return None
    url, digest = FILES[name]
    # The name by which tiktoken itself keeps the file.
    path = Path(folder) / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    if not _intact(path, digest) and not (download and _fetched(path, url, digest)):
        return None
    return tiktoken.get_encoding(name)


def _intact(path: Path, digest: str) -> bool:
    import hashlib

    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def _fetched(path: Path, url: str, digest: str) -> bool:
    import hashlib
    import tempfile

    from prompture.catalog.live import FetchFailed, fetch

    try:
        body = fetch(url, seconds=DOWNLOAD_SECONDS, max_bytes=MAX_BYTES).body or b""
        # tiktoken would throw a wrong file away, and fetch it again without a time limit.
        if hashlib.sha256(body).hexdigest() != digest:
            raise FetchFailed("not the vocabulary that was expected")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
            os.replace(part, path)
        except BaseException:  # no part of a file is left behind
            os.unlink(part)
            raise
    except (FetchFailed, OSError) as error:
        log.warning("the vocabulary %s could not be downloaded, estimating: %s", path.name, error)
        return False
    return True


@cache
def _may_download(word: str) -> bool:
    allowed, problem = given.switch(word, _DOWNLOAD, otherwise=False)
    if problem:
        log.warning("%s", problem)
    return allowed
