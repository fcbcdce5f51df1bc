"""What is wrong with a value, and where: problems with RFC 6901 JSON pointers. And Pydantic's errors, and
what users' validators raise, as such problems.

A ``loc`` of Pydantic mixes keys of the value with labels of its own: a union's branch (``Cat``,
``list[int]``), a discriminator's tag, ``function-after[...]``, ``[key]``. Only the value shows
which is which, so it is walked.
"""

from __future__ import annotations

import re
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from types import NoneType
from typing import Any

from pydantic import ValidationError

from prompture.copying import PicklableError
from prompture.json_values import Segment, pointer
from prompture.traces import Problem as Problem
from prompture.types import JSON

PROBLEM_LIMIT = 50
"""At most this many problems are reported for one value."""

EXCERPT_LENGTH = 60


class InvalidValue(PicklableError, ValueError):
    """A value does not satisfy its schema; ``problems`` says where and why.

    ``total`` counts every problem found, of which ``problems`` holds the first 50.
    """

    def __init__(self, problems: Iterable[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        super().__init__(_summary(self.problems, self.total))

    @property
    def not_json(self) -> bool:
        """Whether the text was no JSON at all, so that a repair is worth trying."""
        return any(problem.kind == "json_invalid" for problem in self.problems)


def excerpt(value: object) -> str:
    """A repr of at most 60 characters, made without printing the whole of a large value."""
    return _cut(_EXCERPTS.repr(value), EXCERPT_LENGTH)


def kind_in_words(value: object) -> str:
    """What a JSON value is, in the words of JSON Schema, with its article: ``"a string"``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "a number"


def _summary(problems: Sequence[Problem], total: int) -> str:
    shown = "; ".join(str(problem) for problem in problems[:3])
    return shown if total <= 3 else f"{shown}; and {total - 3} more"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _excerpts() -> reprlib.Repr:
    short = reprlib.Repr()
    short.maxlevel, short.maxdict, short.maxlist = 3, 4, 4
    short.maxstring = short.maxlong = short.maxother = EXCERPT_LENGTH
    return short


_EXCERPTS = _excerpts()


def words_of(error: BaseException) -> str:
    """An exception's message; one of a user's own may fail to give any."""
    try:
        return str(error)
    except Exception as exc:  # a user's __str__ may raise anything
        return f"(its message cannot be read: {type(exc).__name__})"


# Pydantic's errors.

_MESSAGE_LENGTH = 300
_READINGS = 64
_MISSING = frozenset(
    {
        "missing",
        "missing_argument",
        "missing_keyword_only_argument",
        "missing_positional_only_argument",
    }
)
_PHRASES = (
    (re.compile(r"^Field required$"), "is required"),
    (re.compile(r"^Missing required .*$"), "is required"),
    (re.compile(r"^Extra inputs are not permitted$|^Unexpected .*argument$"), "is not allowed"),
    (re.compile(r"^(?:Value error|Assertion failed), "), ""),
    (re.compile(r"^[A-Z]\w*(?: input)? should (?!be able)"), "must "),
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_JSON_KINDS = (NoneType, bool, int, float, str, list, dict)
_MEMBER = re.compile(r"<[\w.]+: ('[^']*'|[\w.-]+)>")
_VALUE = r"\1"  # of a member of an Enum, which is what the JSON has
_TEXTS = 10_000
_NAME = re.compile(r"[A-Za-z_][\w.]*(?:\[[\w., ]+\])?")
_AROUND = re.compile(
    r"(?:function-\w+\[[^\[\],]*\(\), |tagged-union\[)([^\[\],]*(?:\[[^\[\]]*\])?)\]"
)
_ABSENT = object()


def problems_of(
    error: ValidationError, load: Callable[[], Any], *, withhold: bool = False
) -> InvalidValue:
    """The error as problems; ``load`` gives the JSON value that was refused.

    ``withhold``: the values are secret, so neither they nor what quotes them is kept.
    """
    found = error.errors(include_url=False)
    if found and found[0]["type"] == "json_invalid":
        message = f"is not JSON: {found[0]['ctx']['error']}"
        return InvalidValue([Problem("", message, "json_invalid")])
    if found and found[0]["type"] == "string_unicode" and not found[0]["loc"]:
        # The text itself, which Pydantic wants as UTF-8: half of a pair of surrogates has none.
        return InvalidValue([Problem("", "is not JSON: it holds half a character", "json_invalid")])
    value = load()
    lines = _by_place(found[:PROBLEM_LIMIT])
    problems = (_problem(line, value, withhold=withhold) for line in lines)
    return InvalidValue(dict.fromkeys(problems), total=len(found))


def _by_place(lines: Sequence[Any]) -> Iterator[Any]:
    """The errors, with places instead of names for what a list lacks of a NamedTuple: Pydantic
    before 2.14 reads it as arguments. Those that have defaults are behind the others."""
    lacking: Counter[tuple[Segment, ...]] = Counter()
    for line in lines:
        if line["type"] == "missing_argument" and isinstance(line["input"], list):
            around = line["loc"][:-1]
            place = len(line["input"]) + lacking[around]
            lacking[around] += 1
            line = {**line, "loc": (*around, place)}
        yield line


def _problem(line: Any, value: Any, *, withhold: bool) -> Problem:
    kind, given = line["type"], line["input"]
    path: Sequence[Segment]
    path, labels = _path(line["loc"], value, given, missing=kind in _MISSING)
    ctx = line.get("ctx") or {}
    if kind == "union_tag_invalid":
        path, message, given = _tag_problem(path, ctx, given)
    else:
        message = _message(line["msg"], given, withhold=withhold)
        if kind.endswith("_type") and kind not in _MISSING:
            message += _but_not(given)
    shown = None if withhold or kind in _MISSING else excerpt(given)
    return Problem(pointer(path), message + _as_what(labels), kind, shown)


def _tag_problem(
    path: Sequence[Segment], ctx: dict[str, Any], given: object
) -> tuple[Sequence[Segment], str, Any]:
    """Pydantic's own message for an unknown tag quotes it, and points at the whole object."""
    name = str(ctx.get("discriminator", "")).strip("'")
    message = f"must be one of {_MEMBER.sub(_VALUE, str(ctx.get('expected_tags', '')))}"
    if isinstance(given, dict) and name in given:
        return [*path, name], message, given[name]
    return path, f"{name} {message}".strip(), given


def _path(
    loc: Sequence[Segment], value: object, given: object, *, missing: bool
) -> tuple[list[Segment], list[str]]:
    """Which segments of ``loc`` are in the value, and which are labels.

    The first reading at whose end the offending input stands is right; failing that, the one
    that takes every segment it can.
    """
    first: tuple[list[Segment], list[str]] | None = None
    wanted, last = (loc[:-1], loc[-1]) if missing and loc else (loc, None)
    for count, (path, labels, end) in enumerate(_readings(wanted, value)):
        reading = (path if last is None else [*path, last], labels)
        first = first or reading
        if end is given or _same(end, given):
            return reading
        if count >= _READINGS:
            break
    return first or ([], [])


def _readings(
    loc: Sequence[Segment], value: object
) -> Iterator[tuple[list[Segment], list[str], Any]]:
    """Every way to read ``loc`` as keys of the value and labels, keys first."""
    if not loc:
        yield [], [], value
        return
    head, rest = loc[0], loc[1:]
    step, inner = _step(value, head)
    if inner is not _ABSENT:
        for path, labels, end in _readings(rest, inner):
            yield [step, *path], labels, end
    for path, labels, end in _readings(rest, value):
        yield path, [str(head), *labels], end


def _step(value: object, segment: Segment) -> tuple[Segment, Any]:
    if isinstance(value, dict):
        key = str(segment)
        return key, value.get(key, _ABSENT)
    if isinstance(value, list) and isinstance(segment, int) and 0 <= segment < len(value):
        return segment, value[segment]
    return segment, _ABSENT


def _same(end: object, given: object) -> bool:
    return type(end) is type(given) and bool(end == given)


def _message(text: str, given: object, *, withhold: bool) -> str:
    text = _MEMBER.sub(_VALUE, text)
    for pattern, phrase in _PHRASES:
        text = pattern.sub(phrase, text)
    if withhold or "'" in text or '"' in text:
        # A validator may quote the document, as int() does in its own error.
        texts = set(islice(_texts(given), _TEXTS))
        text = _QUOTED.sub(lambda m: "…" if m[0][1:-1] in texts else m[0], text)
        for secret in texts if withhold else ():
            text = text.replace(secret, "…") if secret else text
    return text if len(text) <= _MESSAGE_LENGTH else text[: _MESSAGE_LENGTH - 1] + "…"


def _but_not(given: object) -> str:
    """``", not null"``: Pydantic names what is wanted, and not what there is."""
    return f", not {kind_in_words(given)}" if isinstance(given, _JSON_KINDS) else ""


def _texts(value: object) -> Iterator[str]:
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            pending += node.values()
        elif isinstance(node, list):
            pending += node


def _as_what(labels: Sequence[str]) -> str:
    """``" (as Cat)"`` where the problem is one of a branch of a union."""
    names = [name for name in map(_bare, labels) if _NAME.fullmatch(name)]
    return f" (as {names[-1]})" if names else ""


def _bare(label: str) -> str:
    """``int`` of ``function-after[check(), int]``: what is validated, not how."""
    while (bare := _AROUND.sub(r"\1", label)) != label:
        label = bare
    return label


# Pydantic turns ValueError and AssertionError of a validator into an error with a place. Anything
# else ends the validation where it stands: the place is lost, and it is not known whether the value
# or the validator was wrong.

KIND = "validator"
"""Kind of a problem that stands for an exception."""
NO_CONTEXT = "validator_context"
"""Kind of one that no other answer cures: the validator reads a context that nobody gave."""
UNGROUNDED = "ungrounded"
"""Kind of the problem of a value that the text does not hold."""
_OWN = ("prompture", "pydantic", "pydantic_core")


def validator_problem(error: Exception, *, withhold: bool = False) -> InvalidValue:
    """The error as the one problem of the whole value; chain it as the cause.

    The exception's words are given only where they were written for this: by a bare Exception,
    or a class of the package that the validator is in. Others (a KeyError) quote the value.
    """
    name, home, is_lost = _raiser(error)
    kind = type(error).__name__
    where = f"the validator {name}()" if name else "a validator"
    if is_lost:
        advice = "it reads info.context, which is None; give context=..."
        return InvalidValue([Problem("", f"{where} raised {kind}: {advice}", NO_CONTEXT)])
    meant = type(error) is Exception or type(error).__module__.partition(".")[0] == home
    words = " ".join(words_of(error).split())[:_MESSAGE_LENGTH] if meant and not withhold else ""
    quoted = f": {words}" if words else ""
    return InvalidValue([Problem("", f"{where} raised {kind}{quoted}", KIND)])


def _raiser(error: Exception) -> tuple[str, str, bool]:
    """The outermost function outside these packages, the package that it is in, and whether it
    is lost without a context."""
    tb = error.__traceback__
    while tb is not None:
        frame = tb.tb_frame
        home = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if home not in _OWN:
            lacks = isinstance(error, (TypeError, AttributeError)) and "NoneType" in words_of(error)
            return frame.f_code.co_name, home, lacks and _has_no_context(frame.f_locals)
        tb = tb.tb_next
    return "", "", False


def _has_no_context(names: JSON) -> bool:
    infos = [each for each in names.values() if type(each).__name__ == "ValidationInfo"]
    return any(info.context is None for info in infos)
