"""xAI Grok."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.codecs.openai_compatible_quirks import xai_rule
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="grok",
    title="xAI Grok",
    aliases=("xai",),
    codec=OpenAIChat(rule=xai_rule, quirks=Quirks(reasoning_apart=True)),
    codecs={"responses": OpenAIResponses()},
    base_url="https://api.x.ai/v1",
    key_env=("XAI_API_KEY", "GROK_API_KEY"),
    url_env=("XAI_BASE_URL",),
    default_model="grok-4.3",
    catalog="xai",
    features=Features(vision=True, schema_dialect="xai", one_call=True),
    docs="https://docs.x.ai/docs/api-reference",
)


class GrokDriver(CostMixin, Driver):
    provider = ROW


class AsyncGrokDriver(CostMixin, AsyncDriver):
    provider = ROW
