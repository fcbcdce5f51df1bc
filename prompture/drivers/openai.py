"""OpenAI."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_models import chat_rule, openai_narrow
from prompture.codecs.openai_responses import OpenAIResponses, needs_responses
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="openai",
    title="OpenAI",
    codec=OpenAIChat(
        tokens_param="max_completion_tokens",
        strict_tools=True,
        files="data",
        metadata=True,
        stop_max=4,
        rule=chat_rule,
    ),
    codecs={"responses": OpenAIResponses()},
    route=lambda request: "responses" if needs_responses(request) else None,
    base_url="https://api.openai.com/v1",
    key_env=("OPENAI_API_KEY",),
    url_env=("OPENAI_BASE_URL",),
    default_model="gpt-5-mini",
    catalog="openai",
    json_word=True,
    features=Features(vision=True, files=True, one_call=True),
    narrow=openai_narrow,
    docs="https://platform.openai.com/docs/api-reference/chat",
)


class OpenAIDriver(CostMixin, Driver):
    provider = ROW


class AsyncOpenAIDriver(CostMixin, AsyncDriver):
    provider = ROW
