"""Cloudflare Workers AI."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="cloudflare",
    title="Cloudflare Workers AI",
    codec=OpenAIChat(root="", reasoning=""),
    base_url="https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
    key_env=("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"),
    shared_env=("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"),
    options={"account": None},
    option_env={"account": ("CLOUDFLARE_ACCOUNT_ID",)},
    default_model="@cf/openai/gpt-oss-20b",
    catalog="cloudflare-workers-ai",
    features=Features(vision=True, schema_dialect="openai-compatible"),
    docs="https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/",
)


class CloudflareDriver(CostMixin, Driver):
    provider = ROW


class AsyncCloudflareDriver(CostMixin, AsyncDriver):
    provider = ROW
