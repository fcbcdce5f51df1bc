"""Chat Completions streams: chunks folded into deltas and one completion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.faults import is_error, stream_error
from prompture.codecs.folding import EventFolding
from prompture.codecs.openai_chat_answer import (
    CUSTOM,
    DIALECT,
    EXTRA,
    Quirks,
    calls_in,
    completion,
    finish_of,
    read_body,
    reasoning_of,
    split_content,
    usage_of,
)
from prompture.codecs.think import ThinkSplitter, split_thinking
from prompture.codecs.tool_calls import CallAssembler, answered, function_of
from prompture.codecs.values import last_stop, merged
from prompture.compat import scan_string
from prompture.errors import ProtocolError
from prompture.types import JSON, Completion, Delta, Native
from prompture.wire.framing import parse_object
from prompture.wire.loading import shape


class OpenAIChatStream(EventFolding):
    """Folds ``chat.completion.chunk`` events.

    The stream has ended well once ``[DONE]`` or a finish reason came. Usage is the last one
    seen, wherever it stands: in a chunk of its own, in the last choice, or under ``x_groq``.
    """

    def __init__(self, endpoint: Endpoint, quirks: Quirks) -> None:
        super().__init__(endpoint, partial(read_body, quirks=quirks))
        self._quirks = quirks
        self._body: dict[str, Any] = {}
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._reasoning_key = "reasoning_content"
        self._thoughts: list[str] = []
        self._think = ThinkSplitter() if quirks.think_tags else None
        self._calls = CallAssembler()
        self._kept: dict[str, list[Any]] = {}
        self._chunks: list[Any] = []
        self._content: list[str] = []
        self._template = TextTemplate()
        self._is_usual = not quirks.think_tags and not quirks.strip_leading
        self._logprobs: list[Any] = []
        self._finish: str | None = None
        self._ours: Any = None

    def _read(self, chunk: bytes, deltas: list[Delta]) -> None:
        text_of, is_usual = self._template.text_of, self._is_usual
        for event in self._sse.feed(chunk):
            text = text_of(event.data)
            if not text:
                self._data(event, deltas)
            # The shortest way: most events add text, and nothing takes a part of it away.
            elif is_usual and not self._chunks:
                self._text.append(text)
                deltas.append(Delta(text=text))
            else:
                self._keep(text)
                self._add(text, "", deltas)

    def _fold(self, data: str, deltas: list[Delta]) -> None:
        body = parse_object(data)
        try:
            self._event(body, deltas)
            # Of a second choice nothing is read, and so nothing learned.
            if not self._ours:
                self._template.learn(data, body)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise ProtocolError(f"an event that is no chunk of a chat: {shape(body)}") from exc

    def _event(self, event: dict[str, Any], deltas: list[Delta]) -> None:
        self._top(event)
        if is_error(event):
            self._ended_by(event)
            raise stream_error(event, self.endpoint)
        for choice in event.get("choices") or ():
            if choice.get("error"):
                self._ended_by(event)
                raise stream_error(choice, self.endpoint)
            # One choice is asked for; a few servers give it another index than 0.
            index = choice.get("index") or 0
            if self._ours is None:
                self._ours = index
            if index == self._ours:
                self._choice(choice, deltas)

    def _end(self, deltas: list[Delta]) -> None:
        self._calls.flush(deltas, final=True)
        if self._think:
            self._emit(*self._think.close(), deltas)

    def _top(self, body: JSON) -> None:
        for key in ("id", "model", "created", "service_tier", "system_fingerprint", "provider"):
            if body.get(key):
                self._body[key] = body[key]
        # Groq states it twice in one event: under x_groq as well.
        if usage := body.get("usage"):
            self._count(usage)
        elif isinstance(groq := body.get("x_groq"), Mapping):
            if groq.get("usage"):
                self._count(groq["usage"])
            if groq.get("error"):
                raise stream_error({"error": groq["error"]}, self.endpoint)
        for key in ("citations", "search_results"):
            if body.get(key):
                self._body[key] = body[key]

    def _ended_by(self, body: JSON) -> None:
        """An error ends the stream; the usage that it states is then the whole of it."""
        stops = (c.get("finish_reason") for c in body.get("choices") or ())
        otherwise = "error" if body.get("usage") else None
        self._finish = self._finish or next(filter(None, stops), otherwise)

    def _count(self, usage: Any) -> None:
        if isinstance(usage, Mapping):
            self._body["usage"] = merged(self._body.get("usage") or {}, usage)

    def _choice(self, choice: JSON, deltas: list[Delta]) -> None:
        if choice.get("usage"):
            self._count(choice["usage"])
        if logprobs := choice.get("logprobs"):
            self._logprobs.extend(logprobs.get("content") or ())
        # None in Azure's events of a filter that runs beside the answer, which only have its verdict.
        if delta := choice.get("delta"):
            self._delta(delta, deltas)
        elif message := choice.get("message"):
            self._message(message, deltas)
        if reason := finish_of(choice):
            self._finish = last_stop(self._finish, reason)
            self._end(deltas)

    def _message(self, message: JSON, deltas: list[Delta]) -> None:
        """A whole message in a chunk of a stream. It may repeat what came before it: only what
        is new becomes deltas."""
        rest = dict(message)
        text, thought = split_content(message.get("content"))
        if self._text or self._reasoning:
            key, reasoning = reasoning_of(message, self._quirks)
            rest["content"] = _rest(text, "".join(self._text))
            rest[key or self._reasoning_key] = _rest(thought + reasoning, "".join(self._reasoning))
            rest.pop("reasoning_details", None)
        if self._refusal:
            rest["refusal"] = _rest(str(message.get("refusal") or ""), "".join(self._refusal))
        # Calls that came in pieces are whole by now.
        if self._calls:
            rest["tool_calls"] = rest["function_call"] = None
        self._delta(rest, deltas)

    def _delta(self, delta: JSON, deltas: list[Delta]) -> None:
        key, thought = reasoning_of(delta, self._quirks)
        if key:
            self._reasoning_key = key
            self._thoughts.append(thought)
        text = ""
        if content := delta.get("content"):
            text, chunk_thought = split_content(content)
            thought = thought or chunk_thought
            self._keep(content)
        self._add(text, thought, deltas)
        if refusal := delta.get("refusal"):
            self._refusal.append(refusal)
            deltas.append(Delta(refusal=refusal))
        for key in ("reasoning_details", "annotations"):
            if isinstance(found := delta.get(key), list):
                for item in found:
                    append_fragment(self._kept.setdefault(key, []), item)
        for part in calls_in(delta):
            self._tool(part, deltas)
        if isinstance(legacy := delta.get("function_call"), Mapping):
            self._tool({"index": 0, "function": legacy}, deltas)

    def _add(self, text: str, thought: str, deltas: list[Delta]) -> None:
        if text and self._quirks.strip_leading and not self._text:
            text = text.lstrip("\n")
        if text and self._think:
            tagged, text = self._think.feed(text)
            thought = thought or tagged
        self._emit(thought, text, deltas)

    def _emit(self, thought: str, text: str, deltas: list[Delta]) -> None:
        if thought:
            self._reasoning.append(thought)
            deltas.append(Delta(reasoning=thought))
        if text:
            self._text.append(text)
            deltas.append(Delta(text=text))

    def _keep(self, content: Any) -> None:
        """Content as a list of chunks, to be echoed as such where it ever came as one."""
        if isinstance(content, str):
            if "content" not in self._kept:
                # Where nothing is taken out of the content, the text is the same.
                if not self._is_usual:
                    self._content.append(content)
                return
            content = [{"type": "text", "text": content}]
        elif isinstance(content, list) and "content" not in self._kept:
            before = "".join(self._text if self._is_usual else self._content)
            self._chunks += [{"type": "text", "text": before}] if before else []
            self._kept["content"] = self._chunks
        for chunk in content if isinstance(content, list) else ():
            append_fragment(self._chunks, chunk)

    def _tool(self, part: JSON, deltas: list[Delta]) -> None:
        custom = part.get("custom")
        free = isinstance(custom, Mapping)
        function: JSON = custom if isinstance(custom, Mapping) else function_of(part)
        self._calls.add(
            deltas,
            place=part.get("index"),
            id=part.get("id"),
            name=function.get("name"),
            arguments=function.get("input" if free else "arguments"),
            free=free,
            extra=part.get(EXTRA),
        )

    def _terminated(self) -> bool:
        return self._done

    def _stopped(self) -> bool:
        return self._finish is not None

    def _finished(self) -> Completion:
        self._end([])
        self._calls.check()
        return answered(self._so_far(), self.endpoint.provider)

    def _so_far(self) -> Completion:
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        if self._think and not reasoning:
            # Thoughts whose opening tag stood in the prompt are known only by their closing
            # tag; by then they have gone out as text.
            reasoning, text = split_thinking(text)
        return completion(
            body=self._body,
            text=text,
            reasoning=reasoning,
            refusal="".join(self._refusal) or None,
            calls=self._calls.so_far(),
            finish=self._finish,
            usage=usage_of(self._body, self._quirks),
            native=self._native(),
            logprobs={"content": self._logprobs} if self._logprobs else None,
            citations=self._kept.get("annotations") or self._body.get("citations"),
        )

    def _native(self) -> Native | None:
        payload: dict[str, Any] = {key: list(items) for key, items in self._kept.items()}
        # What stood in tags is no field, and does not go back as one.
        if self._thoughts and "content" not in payload:
            payload[self._reasoning_key] = "".join(self._thoughts)
        if free := self._calls.free():
            payload[CUSTOM] = free
        if extra := self._calls.extra():
            payload[EXTRA] = extra
        return Native(DIALECT, payload) if payload else None


def _rest(whole: str, emitted: str) -> str:
    """What of a repeated text is new; nothing where it differs."""
    return whole[len(emitted) :] if whole.startswith(emitted) else ""


_MERGED = ("text", "summary", "thinking")


def append_fragment(items: list[Any], item: Any) -> None:
    """Add a fragment of a list that is streamed: pieces of one part become that part."""
    last = items[-1] if items else None
    if not (isinstance(last, dict) and isinstance(item, Mapping) and _continues(last, item)):
        items.append(dict(item) if isinstance(item, Mapping) else item)
        return
    for key, value in item.items():
        if key in _MERGED and isinstance(value, str):
            last[key] = (last.get(key) or "") + value
        elif key in _MERGED and isinstance(value, list):
            merged = last[key] = list(last.get(key) or ())
            for piece in value:
                append_fragment(merged, piece)
        elif value is not None:
            last[key] = value


def _continues(last: JSON, item: JSON) -> bool:
    same = all(last.get(key) == item.get(key) for key in ("type", "index", "id"))
    return same and any(isinstance(item.get(key), (str, list)) for key in _MERGED)


_MARK = re.compile(r'"content"\s*:\s*"')
_PADDING = re.compile(r',"obfuscation":"[A-Za-z0-9]*"\}')
"""OpenAI pads its events to hide their lengths, each with another string."""
_TRIES = 8
"""Events that may fit no template before it is given up."""


class TextTemplate:
    """The usual event of a stream, read without parsing the whole of it.

    A provider's events are the same from one to the next, but for the text that each adds. One
    that begins and ends like one that was parsed, and has one JSON string in between, is the same
    with another text. An event costs about a third less so (measured).
    """

    __slots__ = ("_head", "_misses", "_padded", "_tail")

    def __init__(self) -> None:
        self._head = ""
        self._tail = ""
        self._padded = False
        self._misses = 0

    def text_of(self, data: str) -> str | None:
        """The text that an event adds; None where it is not of the usual kind."""
        head = self._head
        if not head or not data.startswith(head):
            return None
        try:
            text, end = scan_string(data, len(head))
        except ValueError:
            return None
        tail = self._tail
        if not data.startswith(tail, end):
            return None
        end += len(tail)
        if end == len(data) if not self._padded else _PADDING.fullmatch(data, end):
            self._misses = 0
            return text
        return None

    def learn(self, data: str, body: JSON) -> None:
        """Take an event that was parsed for the template, if it only adds text."""
        if self._misses > _TRIES or not adds_text_alone(body):
            return
        self._misses += 1
        found = _MARK.search(data)
        if found is None or data.count('"content"') != 1:
            return
        text, end = scan_string(data, found.end())
        if text != body["choices"][0]["delta"]["content"]:
            return
        padding = _PADDING.search(data, end)
        self._padded = padding is not None and padding.end() == len(data)
        self._head = data[: found.end()]
        self._tail = data[end : padding.start()] if padding and self._padded else data[end:]


def adds_text_alone(body: JSON) -> bool:
    """Whether an event holds nothing but a text (and what every event repeats)."""
    choices = body.get("choices")
    if not isinstance(choices, list) or len(choices) != 1:
        return False
    choice = choices[0]
    delta = choice.get("delta")
    if not isinstance(delta, Mapping) or not isinstance(delta.get("content"), str):
        return False
    return (
        bool(delta["content"])
        and _empty(delta, ("content", "role"))
        and _empty(choice, ("delta",))
        and _empty(body, _REPEATED)
    )


_REPEATED = (
    "id",
    "object",
    "model",
    "created",
    "service_tier",
    "system_fingerprint",
    "provider",
    "choices",
    "obfuscation",
)


def _empty(node: Mapping[str, Any], but: tuple[str, ...]) -> bool:
    return not any(value for key, value in node.items() if key not in but)
