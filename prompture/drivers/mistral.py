"""Mistral La Plateforme."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_compatible_quirks import mistral_rule
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="mistral",
    title="Mistral",
    codec=OpenAIChat(
        seed_param="random_seed",
        strict_tools=True,
        stream_usage=False,
        files="document_url",
        echo=("content",),
        names=True,
        metadata=True,
        rule=mistral_rule,
    ),
    base_url="https://api.mistral.ai/v1",
    key_env=("MISTRAL_API_KEY",),
    url_env=("MISTRAL_BASE_URL",),
    default_model="mistral-small-latest",
    catalog="mistral",
    features=Features(vision=True, files=True, schema_dialect="mistral", one_call=True),
    docs="https://docs.mistral.ai/api/",
)


class MistralDriver(CostMixin, Driver):
    provider = ROW


class AsyncMistralDriver(CostMixin, AsyncDriver):
    provider = ROW
