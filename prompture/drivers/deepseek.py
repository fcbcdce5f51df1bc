"""DeepSeek."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_compatible_quirks import deepseek_rule
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="deepseek",
    title="DeepSeek",
    codec=OpenAIChat(
        root="",
        text_only=True,
        tool_choice="auto",
        reasoning="thinking",
        echo=("reasoning_content",),
        echo_blank="reasoning_content",
        rule=deepseek_rule,
    ),
    base_url="https://api.deepseek.com",
    key_env=("DEEPSEEK_API_KEY",),
    url_env=("DEEPSEEK_BASE_URL",),
    default_model="deepseek-v4-flash",
    catalog="deepseek",
    json_word=True,
    features=Features(json_schema=False, forced_tool=False, schema_dialect="deepseek"),
    docs="https://api-docs.deepseek.com/api/create-chat-completion",
)


class DeepSeekDriver(CostMixin, Driver):
    provider = ROW


class AsyncDeepSeekDriver(CostMixin, AsyncDriver):
    provider = ROW
