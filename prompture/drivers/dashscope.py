"""Alibaba Cloud Model Studio (DashScope, Qwen)."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_compatible_quirks import dashscope_rule
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="dashscope",
    title="DashScope (Qwen)",
    aliases=("qwen",),
    codec=OpenAIChat(root="/compatible-mode/v1", cache_blocks=True, rule=dashscope_rule),
    base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    key_env=("DASHSCOPE_API_KEY",),
    url_env=("DASHSCOPE_BASE_URL",),
    default_model="qwen3.6-flash",
    catalog="alibaba",
    json_word=True,
    features=Features(json_schema=False, vision=True, schema_dialect="openai-compatible"),
    docs="https://www.alibabacloud.com/help/en/model-studio/qwen-api-reference",
)


class DashScopeDriver(CostMixin, Driver):
    provider = ROW


class AsyncDashScopeDriver(CostMixin, AsyncDriver):
    provider = ROW
