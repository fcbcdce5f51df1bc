"""Groq."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.codecs.openai_compatible_quirks import groq_narrow, groq_rule
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="groq",
    title="Groq",
    codec=OpenAIChat(
        root="/openai/v1",
        tokens_param="max_completion_tokens",
        stream_usage=False,
        logprobs=False,
        rule=groq_rule,
        quirks=Quirks(think_tags=True),
    ),
    base_url="https://api.groq.com/openai/v1",
    key_env=("GROQ_API_KEY",),
    url_env=("GROQ_BASE_URL",),
    default_model="openai/gpt-oss-20b",
    catalog="groq",
    json_word=True,
    features=Features(vision=True, schema_with_tools=False, schema_dialect="groq", one_call=True),
    narrow=groq_narrow,
    docs="https://console.groq.com/docs/api-reference",
)


class GroqDriver(CostMixin, Driver):
    provider = ROW


class AsyncGroqDriver(CostMixin, AsyncDriver):
    provider = ROW
