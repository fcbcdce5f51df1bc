"""ModelScope API-Inference."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_compatible_quirks import modelscope_rule
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="modelscope",
    title="ModelScope",
    codec=OpenAIChat(text_only=True, tool_choice="auto", rule=modelscope_rule),
    base_url="https://api-inference.modelscope.cn/v1",
    key_env=("MODELSCOPE_API_KEY", "MODELSCOPE_API_TOKEN", "MODELSCOPE_SDK_TOKEN"),
    shared_env=("MODELSCOPE_API_TOKEN", "MODELSCOPE_SDK_TOKEN"),  # of the hub
    url_env=("MODELSCOPE_BASE_URL",),
    default_model="Qwen/Qwen3-235B-A22B-Instruct-2507",
    catalog="modelscope",
    # A schema is enforced by some backends only, and refused by others.
    features=Features(json_schema=False, vision=True, forced_tool=False),
    docs="https://modelscope.cn/docs/model-service/API-Inference/intro",
)


class ModelScopeDriver(CostMixin, Driver):
    provider = ROW


class AsyncModelScopeDriver(CostMixin, AsyncDriver):
    provider = ROW
