"""Volcengine Ark (Doubao)."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="volcengine",
    title="Volcengine Ark",
    aliases=("ark", "doubao"),
    codec=OpenAIChat(root="/api/v3", reasoning="thinking", echo=("reasoning_content",)),
    codecs={"responses": OpenAIResponses()},
    base_url="https://ark.cn-beijing.volces.com/api/v3",
    key_env=("ARK_API_KEY", "VOLCENGINE_API_KEY"),
    url_env=("ARK_BASE_URL",),
    default_model="doubao-seed-1-6",
    features=Features(vision=True, schema_dialect="openai-compatible"),
    docs="https://www.volcengine.com/docs/82379/1494384",
)


class VolcengineDriver(CostMixin, Driver):
    provider = ROW


class AsyncVolcengineDriver(CostMixin, AsyncDriver):
    provider = ROW
