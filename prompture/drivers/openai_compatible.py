"""Any other endpoint that speaks OpenAI Chat Completions."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="openai-compatible",
    title="OpenAI-compatible",
    codec=OpenAIChat(
        strict_tools=True,
        files="url",
        metadata=True,
        echo=("reasoning_content",),
        quirks=Quirks(think_tags=True),
    ),
    codecs={"responses": OpenAIResponses()},
    base_url="{base_url}",
    key_env=("OPENAI_COMPATIBLE_API_KEY",),
    url_env=("OPENAI_COMPATIBLE_BASE_URL",),
    key_required=False,
    default_model="",
    features=Features(vision=True, files=True, schema_dialect="openai-compatible"),
    docs="https://platform.openai.com/docs/api-reference/chat",
)


class OpenAICompatibleDriver(CostMixin, Driver):
    provider = ROW


class AsyncOpenAICompatibleDriver(CostMixin, AsyncDriver):
    provider = ROW
