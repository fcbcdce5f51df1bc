"""Z.ai (Zhipu GLM)."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_compatible_quirks import zai_narrow, zai_rule
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="zai",
    title="Z.ai (GLM)",
    codec=OpenAIChat(
        root="/api/paas/v4",
        tool_choice="auto",
        parallel_param=False,
        reasoning="thinking",
        echo=("reasoning_content",),
        logprobs=False,
        stop_max=1,
        rule=zai_rule,
    ),
    base_url="https://api.z.ai/api/paas/v4",
    key_env=("ZAI_API_KEY", "ZHIPU_API_KEY"),
    url_env=("ZAI_BASE_URL", "ZHIPU_ENDPOINT"),
    default_model="glm-5",
    catalog="zai",
    features=Features(vision=True, forced_tool=False, schema_dialect="openai-compatible"),
    narrow=zai_narrow,
    docs="https://docs.z.ai/api-reference/llm/chat-completion",
)


class ZaiDriver(CostMixin, Driver):
    provider = ROW


class AsyncZaiDriver(CostMixin, AsyncDriver):
    provider = ROW
