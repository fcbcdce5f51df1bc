"""What each family of Gemini models takes, read off its name, and the turns of a request to one.

Sources: https://ai.google.dev/gemini-api/docs/thinking and
https://ai.google.dev/gemini-api/docs/structured-output
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from prompture.codecs.gemini_answer import DIALECT
from prompture.codecs.options import Families
from prompture.codecs.turns import base64_of, part_text, text_of, text_only
from prompture.errors import UnsupportedError
from prompture.media import settled
from prompture.types import Document, File, Image, Message, Part, Request, Text

Body = dict[str, Any]
_UNSIGNED = "skip_thought_signature_validator"
"""Google's stand-in for the signature of a call that no Gemini model made, which version 3
refuses without one: https://ai.google.dev/gemini-api/docs/thought-signatures"""
_TYPE_OF_SUFFIX = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
}


def system_instruction(messages: Sequence[Message]) -> Body | None:
    """All system turns in one; it takes nothing but text."""
    parts = []
    for message in messages:
        if message.role != "system":
            continue
        for part in message.parts:
            if not isinstance(part, (Text, Document)):
                raise UnsupportedError(
                    "Gemini's system instruction is text only: put images and files in a user turn"
                )
            if part.text:
                parts.append({"text": part_text(part)})
    return {"parts": parts} if parts else None


def contents(request: Request, root: str) -> list[Body]:
    """The other turns. ``root`` is what stands before ``/models`` in URLs. Raises
    UnsupportedError where there is no turn, or a part cannot be sent.

    Results of tools stand in contents of their own, those of one turn together: mixed with
    text they would count as the user's words.
    """
    made: dict[str, tuple[str, str | None]] = {}
    turns: list[Body] = []
    results: Body | None = None
    for message in request.messages:
        if message.role == "system":
            continue
        # Results of one turn's calls must stand together, in the number of the calls.
        if message.role != "tool":
            results = None
        if message.role == "assistant":
            turn = _model_turn(message, request.model)
            made.update(_calls_by_id(message, turn))
        elif message.role == "tool":
            part = _result(message, request.model, made=made, root=root)
            if results is not None:
                results["parts"].append(part)
                continue
            turn = results = {"role": "user", "parts": [part]}
        else:
            parts = (p for p in message.parts if not _is_blank(p))
            turn = {"role": "user", "parts": [_part(p, root) for p in parts]}
        if turn["parts"]:
            turns.append(turn)
    if not turns:
        raise UnsupportedError("Gemini needs a user turn that is not empty")
    return turns


def _model_turn(message: Message, model: str) -> Body:
    native = message.native
    if native is not None and native.dialect == DIALECT:
        # An empty text is an answer's, but no part of a request ("empty text parameter").
        kept = [p for p in native.payload.get("parts", ()) if not _is_empty(p)]
        return {"role": "model", **native.payload, "parts": kept}
    text = text_only(message)
    parts: list[Body] = [{"text": text}] if text else []
    for position, call in enumerate(message.calls):
        function: Body = {"name": call.name, "args": call.arguments or {}}
        if call.id:
            function["id"] = call.id
        part: Body = {"functionCall": function}
        # Only the first call of a turn needs a signature.
        if position == 0 and model.startswith("gemini") and not older_than_3(model):
            part["thoughtSignature"] = _UNSIGNED
        parts.append(part)
    return {"role": "model", "parts": parts}


def _calls_by_id(message: Message, turn: Body) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """Our id of each call, to the tool's name and the id on the wire (None where it had none)."""
    wire = [p["functionCall"] for p in turn["parts"] if isinstance(p.get("functionCall"), dict)]
    for position, call in enumerate(message.calls):
        sent = wire[position] if position < len(wire) else {}
        yield call.id, (call.name, sent.get("id"))


def _result(
    message: Message,
    model: str,
    *,
    made: dict[str, tuple[str, str | None]],
    root: str,
) -> Body:
    call_id = message.call_id or ""
    name, wire_id = made.get(call_id, (message.name, call_id or None))
    if not (name := message.name or name):
        raise UnsupportedError(
            f"Gemini wants a tool result's name, and no call with id {call_id!r} precedes it"
        )
    function: Body = {
        "name": name,
        "response": {"error" if message.is_error else "output": text_of(message)},
    }
    # From Gemini 3 on a call has an id, and its result must name it; older ones have none.
    if wire_id:
        function["id"] = wire_id
    media = [p for p in message.parts if not isinstance(p, (Text, Document))]
    if media:
        if older_than_3(model):
            raise UnsupportedError(
                f"{model} reads no images or files in a tool result: put them in a user turn"
            )
        parts = [_part(p, root) for p in media]
        if "/publishers/" not in root and any("fileData" in p for p in parts):
            raise UnsupportedError(
                "the Gemini API reads only bytes in a tool result, no URLs or uploaded files"
            )
        # Only Gemini 3 knows this field.
        function["parts"] = parts
    return {"functionResponse": function}


def _part(part: Part, root: str) -> Body:
    if isinstance(part, (Text, Document)):
        return {"text": part_text(part)}
    part = settled(part)
    if part.data is not None:
        return {"inlineData": {"mimeType": part.media_type, "data": base64_of(part.data)}}
    return {"fileData": _file_data(part, root)}


def _is_empty(part: Body) -> bool:
    return part.keys() <= {"text", "thought"} and not part.get("text")


def _is_blank(part: Part) -> bool:
    return isinstance(part, (Text, Document)) and not part.text


def _file_data(part: Image | File, root: str) -> Body:
    """An uploaded file's id is the last part of its URI; other URLs Google fetches itself."""
    if isinstance(part, File) and part.id is not None:
        uri = part.id
        if "://" not in uri and "/publishers/" in root:
            raise UnsupportedError("Vertex AI has no uploaded files: pass a gs:// URL")
        if "://" not in uri:
            uri = f"{root}/files/{uri.removeprefix('files/')}"
    else:
        uri = part.url or ""
    return {"mimeType": _media_type(part, uri), "fileUri": uri}


def _media_type(part: Image | File, uri: str) -> str:
    """An image's type is only a default where it is a URL: its suffix then knows better."""
    if isinstance(part, File):
        return part.media_type
    suffix = uri.partition("?")[0].rpartition(".")[2].lower()
    return _TYPE_OF_SUFFIX.get(suffix, part.media_type)


_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_ANY_LEVEL = ("minimal", "low", "medium", "high", "xhigh")
_LEVELS: Families[tuple[str, ...]] = Families(
    # 3.1's image model is listed first: the patterns after it would take it for its sibling.
    (r"gemini-3\.1-flash-image", ("minimal", "high")),
    (r"gemini-3-pro", ("low", "high")),
    (r"gemini-3\.1-pro|gemini-3\.[78]-flash(?!-lite)", ("low", "medium", "high")),
    (
        r"gemini-3-flash|gemini-3\.1-flash|gemini-3\.[56]-flash",
        ("minimal", "low", "medium", "high"),
    ),
    otherwise=_ANY_LEVEL,
)
_BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576}
_EFFORTS = ("none", *_ANY_LEVEL, "max")
_DYNAMIC = -1


def version(model: str) -> tuple[int, int] | None:
    """``(2, 5)`` for ``gemini-2.5-pro``; None for an alias such as ``gemini-flash-latest``."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def older_than_3(model: str) -> bool:
    """Whether the name has a version below 3; an alias points to a newer model."""
    known = version(model)
    return known is not None and known < (3, 0)


def thinking_config(model: str, reasoning: str | int) -> dict[str, Any] | None:
    """``thinkingConfig`` for an effort or a budget in tokens; None where there is nothing to say.

    From version 3 an effort is a ``thinkingLevel``; a number stays a ``thinkingBudget``, which
    those models still take (never both). 2.5 knows budgets only: efforts get the numbers that
    Google's OpenAI-compatible endpoint gives them.
    """
    known = version(model)
    if (known is not None and known < (2, 5)) or model.startswith(("gemma-3", "learnlm")):
        if reasoning in ("none", 0):
            return None
        raise UnsupportedError(f"{model} does not think: leave reasoning out")
    if isinstance(reasoning, str) and reasoning not in _EFFORTS:
        raise UnsupportedError(
            f"{model}: no reasoning effort {reasoning!r}; there are {', '.join(_EFFORTS)}"
        )
    if known is not None and known < (3, 0):
        return _budget(model, reasoning)
    # Level and budget together are a 400.
    if isinstance(reasoning, int):
        return {"thinkingBudget": reasoning, "includeThoughts": reasoning != 0}
    return _level(model, reasoning)


def _budget(model: str, reasoning: str | int) -> dict[str, Any]:
    pro = "-pro" in model
    if isinstance(reasoning, int):
        tokens = reasoning
    elif reasoning == "none":
        tokens = 0
    elif reasoning in ("xhigh", "max") and pro:
        tokens = 32768
    else:
        tokens = _BUDGETS.get(reasoning, 24576)
    # 2.5 Pro's least (Google's table of budgets); Flash may be turned off.
    if pro and tokens < 128 and tokens != _DYNAMIC:
        raise UnsupportedError(
            f"{model} cannot think with less than 128 tokens, nor not at all: use reasoning=128"
        )
    return {"thinkingBudget": tokens, "includeThoughts": tokens != 0}


def _level(model: str, effort: str) -> dict[str, Any]:
    allowed = _LEVELS.of(model)
    if effort == "max":
        effort = "high"
    if effort not in allowed:
        advice = f"the least is {allowed[0]!r}" if effort == "none" else f"it has {list(allowed)}"
        raise UnsupportedError(f"{model}: no reasoning effort {effort!r}; {advice}")
    return {"thinkingLevel": effort.upper(), "includeThoughts": True}
