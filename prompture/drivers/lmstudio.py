"""LM Studio, on your own machine."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="lmstudio",
    title="LM Studio",
    codec=OpenAIChat(
        tool_choice="required",
        json_object=False,
        image_urls=False,
        quirks=Quirks(think_tags=True),
    ),
    codecs={"responses": OpenAIResponses()},
    base_url="http://127.0.0.1:1234/v1",
    key_env=("LMSTUDIO_API_KEY", "LM_STUDIO_API_KEY"),
    url_env=("LMSTUDIO_BASE_URL", "LMSTUDIO_ENDPOINT", "LM_STUDIO_API_BASE"),
    key_required=False,
    default_model="",
    catalog="lmstudio",
    local=True,
    features=Features(json_mode=False, vision=True, schema_dialect="openai-compatible"),
    docs="https://lmstudio.ai/docs/app/api/endpoints/openai",
)


class LMStudioDriver(CostMixin, Driver):
    provider = ROW


class AsyncLMStudioDriver(CostMixin, AsyncDriver):
    provider = ROW
