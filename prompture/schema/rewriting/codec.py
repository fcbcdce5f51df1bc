"""How values travel: ``forward`` into the rewritten schema, ``restore`` back. Both are total: what does not fit
is carried as it is, so that the check against the original can say what is wrong with it, and where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from prompture.schema.exact_json import unlike_refused
from prompture.schema.pointer import step
from prompture.schema.rewriting.kinds import KINDS, kind_of

Step = tuple[tuple[str, ...], "Codec", Any]

_SAMPLES: dict[str, Any] = {
    "object": {"unfit": True},
    "array": ["unfit"],
    "string": "(unfit)",
    "number": -1,
    "boolean": True,
    "null": None,
}


class Codec:
    """The codec of a place where the value is the same on both sides."""

    __slots__ = ()

    def forward(self, value: Any) -> Any:
        return value

    def restore(self, value: Any) -> Any:
        return value

    def parts(self) -> Iterable[Codec]:
        """The codecs of what lies within."""
        return ()

    def is_plain(self) -> bool:
        """It changes nothing by itself; what lies within may."""
        return True

    def opened(self, wire: Any) -> Step:
        """What wraps the value in the rewritten ``wire``, the codec below that, and the value there."""
        return (), self, wire

    def enter(self, token: str, wire: Any) -> Step:
        """Where the part ``token`` of the original stands in ``wire``, its codec, and the value there."""
        return (token,), SAME, step(wire, token)


SAME = Codec()


class Later(Codec):
    """The codec of a definition that is not compiled yet; a reference to it once it is."""

    __slots__ = ("target",)

    def __init__(self) -> None:
        self.target: Codec = SAME

    def forward(self, value: Any) -> Any:
        return self.target.forward(value)

    def restore(self, value: Any) -> Any:
        return self.target.restore(value)

    def parts(self) -> Iterable[Codec]:
        return (self.target,)

    def opened(self, wire: Any) -> Step:
        return self.target.opened(wire)


class JSONText(Codec):
    """Any value as a string holding JSON. Text that is no JSON is taken as a string that lacks its quotes."""

    __slots__ = ()

    def forward(self, value: Any) -> Any:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def restore(self, value: Any) -> Any:
        return read_json(value) if isinstance(value, str) else value

    def is_plain(self) -> bool:
        return False

    def enter(self, token: str, wire: Any) -> Step:
        return (), self, wire  # inside a text there are no pointers


TEXT = JSONText()


def read_json(text: str) -> Any:
    """The value of a JSON text, or the text itself where it is none."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=unlike_refused)
    except (ValueError, RecursionError):
        return text


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def is_identity(codec: Codec, seen: set[int] | None = None) -> bool:
    """Nothing under this codec changes a value."""
    seen = set() if seen is None else seen
    todo = [codec]
    while todo:
        part = todo.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if not part.is_plain():
            return False
        todo.extend(part.parts())
    return True


def unfit(value: Any, kinds: frozenset[str], restore: Callable[[Any], Any]) -> Any:
    """A stand-in for a value that the original refuses: it restores to something that the original refuses too.

    ``kinds`` are those that the original takes. Needed where carrying the value as it is would make it valid:
    an explicit null in a field that may only be left out, a list where an open dict belongs.
    """
    for kind in KINDS:
        if kind not in kinds:
            sample = _SAMPLES[kind]
            if kind_of(restored := restore(sample)) == kind and restored == sample:
                return sample
    return value
