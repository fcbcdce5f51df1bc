"""llama.cpp: its server on your own machine, or a GGUF file run inside this process.

``llamacpp/<name>`` asks the server; ``llamacpp/<path>``, where the path ends in ``.gguf`` or is
a file, runs that file with the ``llamacpp`` extra.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.codecs.schema_prompt import instruct, schema_words
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider
from prompture.drivers.provider import Engine
from prompture.types import Request


def _mend(request: Request, body: dict[str, Any]) -> None:
    """The schema is shown to the model, which otherwise only feels its grammar; JSON mode alone
    is ignored by some builds, a schema of any object is not; and thinking is steered through
    the chat template."""
    if request.schema is not None:
        instruct(body["messages"], schema_words(request.schema))
    if body.get("response_format") == {"type": "json_object"}:
        schema = {"name": request.schema_name, "schema": {"type": "object"}}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if effort := body.pop("reasoning_effort", None):
        switch = {"enable_thinking": effort != "none"}
        level = {} if effort == "none" else {"reasoning_effort": effort}
        body["chat_template_kwargs"] = {**switch, **level}


CODEC = OpenAIChat(tool_choice="required", echo=("reasoning_content",), rule=_mend)


def _engine(model: str, **settings: Any) -> Engine:
    from prompture.drivers.engines.llamacpp import LlamaCpp

    return LlamaCpp(model, **settings)


def is_file(model: str) -> bool:
    """Whether a model's name is a GGUF file to run in this process."""
    return model.lower().endswith(".gguf") or Path(model).expanduser().is_file()


ROW = Provider(
    name="llamacpp",
    title="llama.cpp",
    codec=CODEC,
    codecs={"responses": OpenAIResponses()},
    base_url="http://127.0.0.1:8080/v1",
    key_env=("LLAMACPP_API_KEY", "LLAMA_API_KEY"),
    url_env=("LLAMACPP_BASE_URL", "LLAMA_BASE_URL"),
    key_required=False,
    default_model="",
    local=True,
    features=Features(vision=True, schema_with_tools=False, schema_dialect="llamacpp"),
    engine=_engine,
    in_process=is_file,
    docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
)


class LlamaCppDriver(CostMixin, Driver):
    provider = ROW


class AsyncLlamaCppDriver(CostMixin, AsyncDriver):
    provider = ROW
