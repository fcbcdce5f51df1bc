"""What callers give, checked where they give it: one place, one kind of error.

Each check returns the value that is to be used, and None for None. It raises ConfigurationError,
whose message begins with the name of what was given. Values of keys and headers are not quoted.
"""

from __future__ import annotations

import difflib
import functools
import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import compress
from numbers import Real
from typing import Any, SupportsIndex, TypeVar

from prompture.errors import ConfigurationError, UnknownOption
from prompture.types import JSON, Request

T = TypeVar("T")
MAX_SECONDS = 1e8
"""Three years. Sockets and locks overflow above 9e9."""


def near(name: str, known: Iterable[str]) -> list[str]:
    """At most three known names that look like this one, the likest first."""
    plain = {k.lower().replace("-", "_"): k for k in known}
    wanted = name.lower().replace("-", "_")
    found = difflib.get_close_matches(wanted, plain, n=3, cutoff=0.6)
    words = [w for w in wanted.split("_") if len(w) > 2]
    partly = [
        p
        for p in plain
        if p not in found
        and any(difflib.get_close_matches(w, p.split("_"), 1, 0.65) for w in words)
    ]
    return [plain[p] for p in [*found, *partly][:3]]


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """The message for an unknown name: near ones, then all there are."""
    known = list(known)
    likely = near(name, known) if isinstance(name, str) else []
    hint = f"did you mean {' or '.join(likely)}? " if likely else ""
    return f"unknown {what} {shown(name)}; {hint}there are {', '.join(known) or 'none'}"


def only_known(names: Iterable[object], known: Iterable[str], *, what: str = "option") -> None:
    """Raise UnknownOption for the first of the names that is none of the known ones."""
    known = list(known)
    for name in names:
        if name not in known:
            raise UnknownOption(unknown(what, name, known))


def shown(value: object) -> str:
    """A value as a message may hold it: short, and no foreign repr that raises."""
    try:
        text = repr(value)
    except Exception:  # a foreign repr may raise anything; ints of too many digits do
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def half_made(show: Callable[[T], str]) -> Callable[[T], str]:
    """A ``__repr__`` also for an object whose ``__init__`` has raised: tracebacks with locals show
    it, and before Python 3.13 they end with the error of a repr that fails."""

    @functools.wraps(show)
    def shown_anyway(self: T) -> str:
        try:
            return show(self)
        except AttributeError:
            return f"<{type(self).__name__}, half made>"

    return shown_anyway


def why(exc: Exception) -> str:
    """An error's words, without the number and the path that an OSError puts around them."""
    return getattr(exc, "strerror", None) or str(exc)


def wrong(name: str, wanted: str, value: object) -> ConfigurationError:
    """The error of a value that is not what was wanted."""
    return ConfigurationError(
        f"{name} must be {wanted}, not {shown(value)} ({type(value).__name__})"
    )


def number(
    value: object,
    name: str,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    wanted: str = "a number",
) -> float | None:
    """A finite number: no boolean, no text, not NaN; ``above`` excludes its bound."""
    if value is None:
        return None
    # A boolean is an int to Python, and a mistake here.
    if isinstance(value, bool) or not isinstance(value, (int, float, Real, Decimal)):
        raise wrong(name, wanted, value)
    try:
        found = float(value)
    except (OverflowError, ValueError) as exc:
        raise wrong(name, wanted, value) from exc
    if (
        not math.isfinite(found)
        or (least is not None and found < least)
        or (most is not None and found > most)
        or (above is not None and found <= above)
    ):
        raise wrong(name, wanted, value)
    return value if isinstance(value, (int, float)) else found


def seconds(value: object, name: str = "timeout") -> float | None:
    """Seconds to wait: a finite number above 0."""
    wanted = f"a number of seconds above 0 (at most {MAX_SECONDS:.0f})"
    return number(value, name, above=0, most=MAX_SECONDS, wanted=wanted)


def count(value: object, name: str, *, least: int = 1, most: int | None = None) -> int | None:
    """A whole number from ``least`` on; a float or a boolean is none."""
    if value is None:
        return None
    wanted = f"a whole number of at least {least}" + (f" and at most {most}" if most else "")
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise wrong(name, wanted, value)
    try:
        found = operator.index(value)
    except TypeError as exc:
        raise wrong(name, wanted, value) from exc
    if found < least or (most is not None and found > most):
        raise wrong(name, wanted, value)
    return found


def temperature(value: object, name: str = "temperature") -> float | None:
    """A finite number from 0 on. The upper limit is the provider's, which refuses what is more."""
    return number(value, name, least=0, wanted="a number of at least 0")


def share(value: object, name: str = "top_p") -> float | None:
    """A number from 0 to 1."""
    return number(value, name, least=0, most=1, wanted="a number from 0 to 1")


def one_of(value: T, name: str, known: tuple[str, ...]) -> T:
    """One of the words that there are."""
    if value is None or (isinstance(value, str) and value in known):
        return value
    raise ConfigurationError(unknown(name, value, known))


def function(value: T, name: str, *, wanted: str = "a function") -> T:
    """Something that can be called."""
    if value is None or callable(value):
        return value
    raise wrong(name, wanted, value)


def flag(value: object, name: str) -> bool | None:
    """True or False; no 1, no "yes"."""
    if value is None or isinstance(value, bool):
        return value
    raise wrong(name, "True or False", value)


_SWITCHES = {**dict.fromkeys(("1", "true", "yes", "on"), True),
             **dict.fromkeys(("", "0", "false", "no", "off"), False)}  # fmt: skip


def switch(word: str, name: str, *, otherwise: bool) -> tuple[bool, str]:
    """What a variable of the environment switches, and what is wrong with its word ("": nothing)."""
    found = _SWITCHES.get(word.strip().lower())
    problem = f"{name}={word!r:.50}: expected 1 or 0; it counts as {int(otherwise)}"
    return (otherwise, problem) if found is None else (found, "")


def words(value: object, name: str, *, empty: bool = False) -> str | None:
    """A text, not empty unless ``empty``."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong(name, "a text", value)
    if not empty and not value.strip():
        raise ConfigurationError(f"{name} is empty")
    return value


def strings(value: object, name: str) -> tuple[str, ...]:
    """Texts: a sequence of them, or one alone; None gives none."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise wrong(name, "a text or a list of texts", value)


def table(value: object, name: str) -> JSON | None:
    """A mapping with texts as keys."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise wrong(name, "a dict", value)
    for key in value:
        if not isinstance(key, str):
            raise wrong(f"a key of {name}", "a text", key)
    return value


def sendable(value: T, name: str) -> T:
    """A value that JSON has a form for. Raises ConfigurationError with the place of another."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        place, why = _not_json(value, name)
        raise ConfigurationError(f"{place} cannot be sent as JSON: {why}") from exc
    return value


def _not_json(value: object, place: str, depth: int = 0) -> tuple[str, str]:
    """The first place that JSON has no form for, and why."""
    if depth > 50:
        return place, "it is nested too deep, or holds itself"
    if isinstance(value, Mapping):
        for key, each in value.items():
            inner = f"{place}[{shown(key)}]"
            if not isinstance(key, str):
                return place, f"the key {shown(key)} is no text"
            if not _is_json(each):
                return _not_json(each, inner, depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            if not _is_json(each):
                return _not_json(each, f"{place}[{index}]", depth + 1)
    if isinstance(value, float):
        return place, f"{value} is no number there"
    return place, f"it has no form for type {type(value).__name__}"


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


# Options of a request, the same for extract, agents and a driver's own faces.

_TTL = re.compile(r"\d+(?:\.\d+)?[smh]|-1")
_EFFORT = re.compile(r"[a-z]+")
_OF_DRIVERS = {
    **{name: name for name in ("api_key", "base_url", "api", "api_version", "headers", "retry",
       "hooks", "features", "session", "client", "transport", "retry_quota", "breaker", "limits")},
    **dict.fromkeys(("rate_limit", "rate_limits", "rpm", "tpm", "requests_per_minute",
       "tokens_per_minute", "concurrency", "max_concurrency"), "limits"),
    "apikey": "api_key",
    "key": "api_key",
    "token": "api_key",
    "authorization": "api_key",
    "api_base": "base_url",
    "endpoint": "base_url",
    "url": "base_url",
    "extra_headers": "headers",
    "retries": "retry",
}  # fmt: skip
"""What a driver is given, under the names that other libraries have for it."""
_SECRET = ("api_key", "headers", "base_url")
MASK = "***"
hedge = functools.partial(number, least=0.5, most=0.999, wanted="a share from 0.5 to 0.999")
_NOT_EXTRA = (
    "api_key", "apikey", "authorization", "base_url", "api_base", "extra_headers", "headers",
)  # fmt: skip


def prompt_cache(value: object, name: str = "prompt_cache") -> bool | str | None:
    """True, False, or how long to keep it: ``"5m"``."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and _TTL.fullmatch(value):
        return value
    own = "a prompture.Cache(...), " if name == "cache" else ""
    raise wrong(name, f"{own}True, False, or a time to live such as '5m' or '1h'", value)


def reasoning(value: object, name: str = "reasoning") -> str | int | None:
    """An effort (a word), or a budget in tokens."""
    if isinstance(value, str) and _EFFORT.fullmatch(value):
        return value
    if isinstance(value, str):
        raise wrong(name, "an effort ('low', 'medium', 'high', ...) or tokens to think", value)
    return count(value, name, least=0)


def extra(value: object, name: str = "extra") -> JSON | None:
    """What goes into the body as it stands: JSON, and no key or URL, which are a driver's."""
    found = table(value, name)
    for key in found or ():
        if key.lower().replace("-", "_") in _NOT_EXTRA:
            raise ConfigurationError(
                f"{name} goes into the body that the provider gets, where {key!r} has no place;"
                f" {for_driver(key)}"
            )
        if key in ("extra_body", "extra_query"):
            raise ConfigurationError(f"{name} is itself what goes into the body, without {key!r}")
    return found and sendable(found, name)


def for_driver(name: str) -> str:
    """Where a setting of a driver belongs."""
    plain = name.lower().replace("-", "_")
    return (
        "it is the driver's, so give it there:"
        f" model=driver_for('provider/model', {_OF_DRIVERS.get(plain, plain)}=...)"
        " (async_driver_for for awaited calls)"
    )


def key(value: Any, name: str = "api_key") -> Any:
    """A key of this call's own, or one for each provider; in no message."""
    keys = value.values() if isinstance(value, Mapping) else (value,)
    if not all(each is None or (isinstance(each, str) and each.strip()) for each in keys):
        raise ConfigurationError(f"{name} of a call must be a text, or a dict by provider")
    return value


def request_options(values: Mapping[str, object]) -> dict[str, Any]:
    """Fields of a Request, checked; those of None are left out."""
    return {name: _CHECKS[name](value, name) for name, value in values.items() if value is not None}


def check_request(request: Request) -> None:
    """Raise ConfigurationError where a field of a Request is none. Absent ones are skipped."""
    values = _values(request)
    # Of the many fields most are as usual: those are passed over without a line of Python for each.
    is_unusual = map(operator.is_not, values, _USUAL_VALUES)
    for name, value in compress(zip(_CHECKS, values, strict=True), is_unusual):
        if name not in _TABLES or value != {}:
            _CHECKS[name](value, name)


def hide_keys(options: dict[str, object]) -> None:
    """Mask what is a driver's secret among a call's options, which will be refused: a traceback
    may show the frames that hold them."""
    # In place: the frames of the callers hold the same dict.
    for name in options:
        if _OF_DRIVERS.get(name.lower()) in _SECRET:
            options[name] = MASK


def refuse_settings(names: Iterable[str]) -> None:
    """Raise UnknownOption for a setting of a driver that was given as an option of a call."""
    for name in names:
        if name.lower() in _OF_DRIVERS:
            if isinstance(names, dict):
                hide_keys(names)
            raise UnknownOption(f"{name} is no option of a call: {for_driver(name)}")


_CHECKS: dict[str, Callable[[object, str], object]] = {
    "temperature": temperature,
    "max_tokens": count,
    "top_p": share,
    "seed": lambda value, name: count(value, name, least=-(2**63)),
    "reasoning": reasoning,
    **dict.fromkeys(("timeout", "deadline"), seconds),
    "prompt_cache": prompt_cache,
    "hedge": hedge,
    "cache": lambda value, name: value if hasattr(value, "lookup") else prompt_cache(value, name),
    "parallel_tools": flag,
    "logprobs": lambda value, name: count(value, name, least=0),
    "json_mode": flag,
    "strict": flag,
    "schema_name": words,
    "model": lambda value, name: words(value, name, empty=True),
    "tool_choice": words,
    "schema": lambda value, name: table(value, f"json_schema ({name})"),
    "metadata": table,
    "extra": extra,
    "priority": lambda value, name: one_of(value, name, ("live", "bulk")),
    "api_key": key,
}
_TABLES = ("metadata", "extra")
"""Fields that are usually an empty dict, of the request's own."""
_USUAL: JSON = {"json_mode": False, "prompt_cache": False, "strict": True, "schema_name": "answer"}
_USUAL_VALUES = tuple(map(_USUAL.get, _CHECKS))
"""The value of each field that needs no look."""
_values = operator.attrgetter(*_CHECKS)
