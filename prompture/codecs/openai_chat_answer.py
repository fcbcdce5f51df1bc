"""Answers of Chat Completions, whole or in pieces, as Completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.faults import raise_if_error
from prompture.codecs.think import split_thinking
from prompture.codecs.tool_calls import distinct, free_arguments, function_of
from prompture.codecs.values import Counts, request_id, section, stop_reason, tool_call
from prompture.errors import ProtocolError, ProviderError
from prompture.types import JSON, Completion, Native, ToolCall, Usage
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape, with_digits

DIALECT = "openai_chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How a provider's answers differ.

    ``reasoning_apart``: output tokens leave reasoning out (xAI). ``think_tags``: reasoning may
    stand in the text between ``<think>`` tags. ``strip_leading``: a streamed text may start
    with blank lines that mean nothing (Moonshot). ``reasoning_field``: where reasoning stands, if
    in no usual field; ``OpenAIChat.echo`` may name it.
    """

    reasoning_apart: bool = False
    think_tags: bool = False
    strip_leading: bool = False
    reasoning_field: str = ""


def read_body(response: HTTPResponse, endpoint: Endpoint, quirks: Quirks) -> Completion:
    """The Completion of a whole response."""
    body = response.json(endpoint.secrets())
    if not isinstance(body, Mapping):
        raise_if_error(body, response, endpoint)
        raise ProtocolError(f"expected an object, got {shape(body)}")
    if not body.get("choices"):
        raise_if_error(body, response, endpoint)
        body = _unwrapped(body)
    try:
        choice = body["choices"][0]
        if choice.get("error"):
            _raise_half(body, choice, response, endpoint, quirks)
        return _read_choice(body, choice, response, quirks)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as exc:
        raise ProtocolError(f"no choices[0].message in {shape(body)}") from exc


def _unwrapped(body: JSON) -> JSON:
    """The answer that another object holds: OpenRouter now and then puts it under ``provider``
    (pydantic-ai#3994), Cline's gateway under ``data`` (cline#13348)."""
    inner = next((i for k in ("provider", "data") if (i := section(body, k)).get("choices")), {})
    return {**body, **inner}


def _raise_half(
    body: JSON, choice: JSON, response: HTTPResponse, endpoint: Endpoint, quirks: Quirks
) -> None:
    """Raise the error of a choice, with the answer as far as it came, and its usage."""
    try:
        raise_if_error(choice, response, endpoint)
    except ProviderError as error:
        with suppress(KeyError, TypeError, AttributeError, ValueError, ProtocolError):
            error.partial = _read_choice(body, choice, response, quirks)
        raise


def _read_choice(body: JSON, choice: JSON, response: HTTPResponse, quirks: Quirks) -> Completion:
    finish = finish_of(choice)
    if "message" not in choice and isinstance(choice.get("text"), str):
        raise ProtocolError(
            f"{body.get('object', 'the answer')!s:.40} is an answer of the text completions API, "
            "not of chat completions: does base_url end in another path?"
        )
    # A filter that stopped the whole answer leaves no message at all (Azure).
    message: JSON = choice["message"] if not finish else choice.get("message") or {}
    wire = calls_in(message)
    legacy = message.get("function_call")
    # function_call: the field before tools, which a few servers still fill.
    if not wire and isinstance(legacy, Mapping):
        wire = [{"function": legacy}]
    calls = distinct(_call(call, position) for position, call in enumerate(wire)) if wire else ()
    text, reasoning = split_content(message.get("content"))
    # Mistral has its thoughts among the chunks, the others in a field.
    reasoning += reasoning_of(message, quirks)[1]
    if quirks.think_tags:
        thought, text = split_thinking(text)
        reasoning = reasoning or thought
    return completion(
        body=body,
        text=text,
        reasoning=reasoning,
        refusal=message.get("refusal") or None,
        calls=calls,
        finish=finish,
        usage=usage_of(body, quirks),
        native=native_of(
            message,
            quirks,
            [c.id for c, w in zip(calls, wire, strict=True) if "custom" in w] if wire else (),
            {c.id: e for c, w in zip(calls, wire, strict=True) if (e := w.get(EXTRA))}
            if wire
            else None,
        ),
        logprobs=choice.get("logprobs"),
        citations=message.get("annotations") or body.get("citations"),
        id=request_id(response.headers),
    )


def completion(
    *,
    body: JSON,
    text: str,
    reasoning: str,
    refusal: str | None,
    calls: tuple[ToolCall, ...],
    finish: str | None,
    usage: Usage,
    native: Native | None,
    logprobs: Any = None,
    citations: Any = None,
    id: str | None = None,
) -> Completion:
    """A Completion out of what a whole answer or a folded stream holds."""
    return Completion(
        text=text,
        reasoning=reasoning,
        refusal=refusal,
        tool_calls=calls,
        stop_reason=stop_reason(finish, called=bool(calls), refused=refusal is not None),
        raw_stop=finish,
        usage=usage,
        model=str(body.get("model") or ""),
        request_id=id or _text(body.get("id")),
        logprobs=logprobs,
        citations=citations,
        native=native,
        raw=body,
    )


def finish_of(choice: JSON) -> str | None:
    """Why the answer ended. OpenRouter calls an upstream's failure an ordinary stop, with the
    upstream's own word beside it."""
    # xAI's may be an empty text beside calls: no reason is stated then.
    finish, native = choice.get("finish_reason"), choice.get("native_finish_reason")
    if finish in (None, "", "stop") and isinstance(native, str) and stop_reason(native) == "error":
        return native
    return str(finish) if finish else None


CUSTOM = "custom_calls"
"""Where a native turn keeps the ids of calls of custom tools."""
EXTRA = "extra_content"
"""What Google's compatible endpoint adds to a call: Gemini 3's signature of its thoughts, without
which the next request is refused (HTTP 400, "missing a thought_signature"). Kept by the call's id."""


def calls_in(message: JSON) -> list[JSON]:
    """The calls of a message or a delta, of the kinds that we know: functions, and custom tools
    with their free text. Calls of the provider's own tools are not ours to answer."""
    found = message.get("tool_calls")
    if not found:
        return []
    # Some servers pad the list with nulls.
    wire = [found] if isinstance(found, Mapping) else [each for each in found if each is not None]
    if not all(isinstance(call, Mapping) for call in wire):
        raise ProtocolError(f"tool_calls are {shape(found)}, not a list of objects")
    # Mistral's calls have no type at all (recorded).
    kinds = (None, "", "function", "custom")
    return [call for call in wire if call.get("type") in kinds or "function" in call]


def _call(call: JSON, position: int) -> ToolCall:
    id = str(call.get("id") or f"call_{position}")
    custom = call.get("custom")
    if isinstance(custom, Mapping):
        text = free_arguments(str(custom.get("input") or ""))
        return tool_call(id=id, name=str(custom.get("name") or ""), arguments=text)
    function = function_of(call)
    name, arguments = str(function.get("name") or ""), function.get("arguments")
    return tool_call(id=id, name=name, arguments=arguments)


def split_content(content: Any) -> tuple[str, str]:
    """Text and reasoning of a ``content``: a string, null, a list of chunks (Mistral), or the
    JSON object that a schema asked for, already parsed (Cloudflare)."""
    if isinstance(content, str) or content is None:
        return content or "", ""
    if isinstance(content, Mapping):
        # As text again: the schema's reader takes texts, and decides by its own rules.
        return with_digits(content), ""
    if not isinstance(content, Sequence):
        raise ProtocolError(f"content is neither text nor a list: {shape(content)}")
    text, thoughts = [], []
    for chunk in content:
        if isinstance(chunk, str):
            text.append(chunk)
        elif chunk.get("type") in ("thinking", "reasoning"):
            thoughts.append(_thinking(chunk.get("thinking") or chunk.get("text")))
        elif chunk.get("type") in ("text", "output_text", None):
            text.append(chunk.get("text") or "")
    return "".join(text), "".join(thoughts)


def _thinking(thinking: Any) -> str:
    if isinstance(thinking, str):
        return thinking
    return "".join(t.get("text") or "" for t in thinking or () if isinstance(t, Mapping))


def reasoning_of(message: JSON, quirks: Quirks) -> tuple[str, str]:
    """The reasoning of a message or a delta: the field it stands in, and its text."""
    for key in ("reasoning_content", "reasoning", quirks.reasoning_field):
        if isinstance(value := message.get(key), str) and value:
            return key, value
    return "", ""


_ECHOED = ("reasoning_content", "reasoning", "reasoning_details", "annotations")


def kept_fields(quirks: Quirks) -> tuple[str, ...]:
    """The fields of an answer that its turn keeps, and that can so be sent back."""
    own = (quirks.reasoning_field,) if quirks.reasoning_field else ()
    return (*_ECHOED, "content", EXTRA, *own)


def native_of(
    message: JSON, quirks: Quirks, custom: Sequence[str] = (), extra: JSON | None = None
) -> Native | None:
    """What a turn holds beyond text and calls, for the providers that want it echoed."""
    kept = (*_ECHOED, quirks.reasoning_field)
    payload = {key: message[key] for key in kept if message.get(key)}
    if custom:
        payload[CUSTOM] = list(custom)
    if extra:
        payload[EXTRA] = extra
    if isinstance(message.get("content"), list):
        payload["content"] = message["content"]
    return Native(DIALECT, payload) if payload else None


def usage_of(body: JSON, quirks: Quirks) -> Usage:
    """Canonical buckets out of ``usage``.

    Cache counts are parts of the prompt, but some gateways report reads and writes that overlap
    or pass it; they are kept as stated, and pricing never lets the rest fall below 0.
    """
    usage = body.get("usage")
    if not isinstance(usage, Mapping) or not usage:
        return Usage(requests=1)
    counts = Counts()
    part = counts.part
    given = section(usage, "prompt_tokens_details")
    made = section(usage, "completion_tokens_details")
    prompt = counts.total(usage, "prompt_tokens", "input_tokens")
    output = counts.total(usage, "completion_tokens", "output_tokens")
    reasoning = part(made, "reasoning_tokens") or part(usage, "reasoning_tokens")
    # Beside the details: Moonshot's cached_tokens, DeepSeek's hits, Mistral's count of early 2026
    # (their docs and recordings).
    read = part(given, "cached_tokens") or part(
        usage, "cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens"
    )
    write = part(
        given, "cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens"
    )
    heard = part(given, "audio_tokens")
    rest = counts.rest(usage, "total_tokens", prompt + output)
    # A total that exceeds its parts by the reasoning shows that output leaves it out.
    if reasoning and (rest == reasoning or (quirks.reasoning_apart and rest)):
        output += reasoning
    # The same for cache tokens that the prompt leaves out.
    elif rest and rest == read + write:
        prompt += rest
    elif rest != heard:  # Mistral bills audio by its minutes
        counts.unexplained(rest, "total_tokens")
    stated_cost = counts.dollars(usage)
    searches = 0
    if xai := usage.get("server_side_tool_usage_details"):
        xai = xai if isinstance(xai, Mapping) else {}
        searches = part(xai, "web_search_calls") + part(xai, "x_search_calls")
    return Usage(
        input_tokens=prompt,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
        input_audio_tokens=heard,
        output_audio_tokens=part(made, "audio_tokens"),
        input_image_tokens=part(given, "image_tokens"),
        output_image_tokens=part(made, "image_tokens"),
        requests=1,
        searches=searches,
        service_tier=_text(body.get("service_tier")) or _text(usage.get("service_tier")),
        stated_cost=stated_cost,
        reported=counts.readable,
        problem=counts.problem,
        raw=usage,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
