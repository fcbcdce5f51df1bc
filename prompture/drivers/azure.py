"""Azure OpenAI and Foundry."""

from prompture.codecs.anthropic import Anthropic
from prompture.codecs.azure import AzureChat, AzureResponses
from prompture.codecs.openai_models import chat_rule, needed_api
from prompture.drivers.provider import Features, Provider

ROW = Provider(
    name="azure",
    title="Azure OpenAI",
    codec=AzureChat(
        tokens_param="max_completion_tokens", strict_tools=True, metadata=True, rule=chat_rule
    ),
    codecs={"responses": AzureResponses(), "messages": Anthropic()},
    route=needed_api,
    base_url="{endpoint}",
    key_env=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
    options={"endpoint": "", "api_version": "", "ad_token": ""},
    option_env={
        "endpoint": ("AZURE_OPENAI_ENDPOINT", "AZURE_API_ENDPOINT"),
        "api_version": ("OPENAI_API_VERSION", "AZURE_API_VERSION"),
        "ad_token": ("AZURE_OPENAI_AD_TOKEN",),
    },
    default_model="",
    catalog="azure",
    json_word=True,
    features=Features(vision=True),
    docs="https://learn.microsoft.com/azure/ai-foundry/openai/reference",
)
