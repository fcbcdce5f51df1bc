"""Tool calls put together out of a stream's fragments.

An index and an id only say where a fragment belongs; what makes a call is its name. In the
field, indexes are missing, null, the same for two calls, or move on in the middle of one; ids
come once, each time, anew each time, or are the same for two calls; names come whole, whole
again, or in pieces; arguments come before the name, or as an object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prompture.codecs.values import tool_call, whole
from prompture.errors import ProtocolError
from prompture.types import JSON, Completion, Delta, ToolCall
from prompture.wire.loading import UnreadableJSON, load_json, with_digits


@dataclass(slots=True)
class FragmentedCall:
    """One call so far. ``index`` counts the calls in the deltas, None before the first; ``wire``
    is the id as it came, which may be another call's too; ``free``: its arguments are
    free text (OpenAI's custom tools), which becomes the field ``input``; ``extra`` is what else
    the provider wants back with it."""

    id: str = ""
    wire: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    index: int | None = None
    position: int = 0
    free: bool = False
    extra: Any = None

    def text(self) -> str:
        """The arguments as JSON text."""
        text = "".join(self.pieces)
        return free_arguments(text) if self.free else text

    def has_arguments(self, text: str) -> bool:
        """Whether these are the arguments already, whole."""
        own = "".join(self.pieces)
        if text == own:
            return self.is_whole()
        if not self.is_whole():
            return False
        try:
            return bool(load_json(own) == load_json(text))
        except UnreadableJSON:
            return False

    def is_blank(self) -> bool:
        """Whether the arguments are an empty object, which some gateways put before the real
        ones, as Anthropic's ``input: {}`` stands there; it goes out once the call is over."""
        return "".join(self.pieces).strip() == "{}" and self.index is None

    def is_whole(self) -> bool:
        """Whether the arguments are an object: what follows is another call's."""
        return _is_object("".join(self.pieces))

    def would_be_whole(self, text: str) -> bool:
        """Whether they are an object with this text behind them."""
        return _is_object("".join([*self.pieces, text]))


def _is_object(text: str) -> bool:
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(load_json(text), dict)
    except UnreadableJSON:
        return False


class CallAssembler:
    """The calls of one answer."""

    __slots__ = ("_calls", "_emitted", "_last", "_places", "_prefix")

    def __init__(self, prefix: str = "call_") -> None:
        """``prefix`` begins the ids of calls that get none."""
        self._calls: list[FragmentedCall] = []
        self._places: dict[int | None, FragmentedCall] = {}
        self._last: FragmentedCall | None = None
        self._emitted = 0
        self._prefix = prefix

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(
        self,
        deltas: list[Delta],
        *,
        place: Any,
        id: Any = "",
        name: Any = "",
        arguments: Any = "",
        free: bool = False,
        extra: Any = None,
    ) -> None:
        """Take a fragment. A call goes out once its arguments begin, or another call does: until
        then, more of its name may come."""
        place = whole(place)
        id, name = str(id or ""), str(name or "")
        text = arguments_of(arguments)
        call = self._call(place, id=id, name=name, text=text)
        if call is None:
            return
        # Another call has begun: what was held back of the others can go out.
        if call is not self._last:
            self.flush(deltas)
        self._last = self._places[place] = call
        if id and not call.wire:
            call.wire, call.id = id, call.id or self._unique(id)
        if name:
            _name(call, name)
        if call.pieces and text.lstrip()[:1] == "{" and call.has_arguments(text):
            return  # a server that flushes its parser at the end sends them once more
        if call.is_blank() and text.strip():
            call.pieces.clear()
        if text:
            call.pieces.append(text)
        call.free = call.free or free
        call.extra = extra or call.extra
        if call.name and text and not (call.free or call.is_blank()):
            self._emit(call, text, deltas)

    def begin(self, deltas: list[Delta], *, place: int, id: str, name: str) -> None:
        """A call whose beginning the provider marks: no guess is needed."""
        call = self._open()
        self.flush(deltas)
        call.wire = call.id = id
        call.name = name
        self._last = self._places[place] = call

    def flush(self, deltas: list[Delta], *, final: bool = False) -> None:
        """Emit the calls that were held back; free text only at the end, when it is whole."""
        for call in self._calls:
            if call.index is None and call.name and (final or not call.free):
                self._emit(call, "", deltas)

    def so_far(self) -> tuple[ToolCall, ...]:
        """The calls that have a name."""
        named = [call for call in self._calls if call.name]
        # In the order in which they went out; those that did not, behind them.
        named.sort(key=lambda call: self._emitted if call.index is None else call.index)
        return tuple(
            tool_call(id=self._id(call), name=call.name, arguments=call.text()) for call in named
        )

    def free(self) -> list[str]:
        """The ids of the calls whose arguments are free text."""
        return [self._id(call) for call in self._calls if call.free and call.name]

    def extra(self) -> dict[str, Any]:
        """What came with calls besides, by their ids."""
        return {self._id(call): call.extra for call in self._calls if call.extra and call.name}

    def check(self) -> None:
        """Raise ProtocolError where a call has arguments, and no name."""
        some = any(call.name for call in self._calls)
        for call in self._calls:
            begun = "".join(call.pieces).strip() or (call.wire and not some)
            if begun and not call.name:
                raise ProtocolError("a tool call came without the tool's name")

    def _id(self, call: FragmentedCall) -> str:
        return call.id or f"{self._prefix}{call.position}"

    def _emit(self, call: FragmentedCall, text: str, deltas: list[Delta]) -> None:
        if call.index is not None:
            deltas.append(Delta(tool_index=call.index, tool_arguments=text))
            return
        call.index, self._emitted = self._emitted, self._emitted + 1
        # The id that went out is the one that the completion must have.
        call.id = self._id(call)
        deltas.append(
            Delta(
                tool_index=call.index,
                tool_id=call.id,
                tool_name=call.name,
                tool_arguments=call.text(),
            )
        )

    def _call(self, place: int | None, *, id: str, name: str, text: str) -> FragmentedCall | None:
        """The call that a fragment belongs to, or a new one; None where it is empty."""
        here = self._places.get(place)
        if id and (known := self._of_id(id, here)) is not None:
            # Two calls may have one id: the second then has a name, behind a whole first. What
            # is sent again under the same index as well is one call, and so is what follows an
            # empty object.
            again = (
                here is known
                and place is not None
                and (known.is_blank() or known.has_arguments(text))
            )
            anew = name and not again and (text.strip() or here is not known) and known.is_whole()
            return self._open() if anew else known
        if here is not None:
            another = self._is_another(here, place=place, id=id, name=name, text=text)
            return self._open() if another else here
        last = self._last
        # The tail of a call whose index moved, or the head of one whose name comes later.
        if not (id or name or last is None) and not (text.strip() and last.is_whole()):
            return last
        if not (id or name or text.strip()):
            return None
        if not id and name and last is not None and last.name == name:
            # No index, no id: where the arguments are whole, the same tool is called again.
            if place is None:
                return self._open() if last.is_whole() else last
            # The name again, and the rest of the arguments, under an index that moved.
            if last.pieces and not last.is_whole() and last.would_be_whole(text):
                return last
        return self._open()

    def _of_id(self, id: str, here: FragmentedCall | None) -> FragmentedCall | None:
        if here is not None and here.wire == id:
            return here
        return next((call for call in reversed(self._calls) if call.wire == id), None)

    def _unique(self, id: str) -> str:
        taken = any(call.id == id for call in self._calls)
        return f"{id}_{len(self._calls) - 1}" if taken else id

    def _open(self) -> FragmentedCall:
        call = FragmentedCall(position=len(self._calls))
        self._calls.append(call)
        return call

    @staticmethod
    def _is_another(
        here: FragmentedCall, *, place: int | None, id: str, name: str, text: str
    ) -> bool:
        """Whether a fragment at this call's place opens a call of its own."""
        begun = bool("".join(here.pieces).strip())
        if id and here.wire:
            # A new id for each fragment of one call is seen too: those have no name, or the
            # same one before the arguments are whole.
            return bool(name and (name != here.name or not begun)) or here.is_whole()
        if not name or not here.name:
            return False
        if name == here.name:
            return bool(text.strip()) and here.is_whole()
        alike = name.startswith(here.name) or here.name.startswith(name)
        # Where nothing else separates two calls, another name does.
        return begun or (place is None and not here.wire and not alike)


def _name(call: FragmentedCall, name: str) -> None:
    """Take a name: the first, the same again, the whole of what began, or another piece."""
    if not call.name or (call.index is None and name.startswith(call.name)):
        call.name = name
    elif call.index is None and not "".join(call.pieces).strip():
        call.name += name


def arguments_of(arguments: Any) -> str:
    """A fragment of arguments as text; some servers send the object itself."""
    if isinstance(arguments, str):
        return arguments
    if arguments is None or (isinstance(arguments, Mapping) and not arguments):
        return "" if arguments is None else "{}"
    return with_digits(arguments)


def function_of(call: JSON) -> JSON:
    """Where the name and the arguments of a call stand: in ``function``, or beside its id."""
    function = call.get("function")
    if isinstance(function, Mapping):
        return function
    return call if "name" in call and not function else {}


def free_arguments(text: str) -> str:
    """Free text as the JSON object that our calls have."""
    return json.dumps({"input": text}, ensure_ascii=False)


def distinct(calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
    """The calls of a whole answer; of two with one id the second gets another, so that each can
    be answered. Raises ProtocolError where one has no name."""
    found: list[ToolCall] = []
    taken: set[str] = set()
    for call in calls:
        if not call.name:
            raise ProtocolError("a tool call came without the tool's name")
        if call.id in taken:
            call = replace(call, id=f"{call.id}_{len(found)}")
        taken.add(call.id)
        found.append(call)
    return tuple(found)


def named(completion: Completion) -> Completion:
    """The completion. Raises ProtocolError where a call in it has no name."""
    if not all(call.name for call in completion.tool_calls):
        raise ProtocolError("a tool call came without the tool's name")
    return completion


def answered(completion: Completion, provider: str) -> Completion:
    """The completion of a stream. Raises ProtocolError where it holds nothing, not even a word
    of why it ended."""
    text = completion.text or completion.reasoning or completion.refusal
    if completion.raw_stop is None and not text and not completion.tool_calls:
        raise ProtocolError(f"{provider}: the stream ended without an answer")
    return named(completion)
