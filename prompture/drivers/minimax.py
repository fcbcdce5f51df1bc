"""MiniMax."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="minimax",
    title="MiniMax",
    codec=OpenAIChat(
        tokens_param="max_completion_tokens",
        tool_choice="auto",
        reasoning="",
        echo=("reasoning_details",),
    ),
    base_url="https://api.minimax.io/v1",
    key_env=("MINIMAX_API_KEY",),
    url_env=("MINIMAX_BASE_URL",),
    default_model="MiniMax-M2.7",
    catalog="minimax",
    features=Features(json_schema=False, vision=True, forced_tool=False),
    docs="https://platform.minimax.io/docs/api-reference/text-openai-api",
)


class MiniMaxDriver(CostMixin, Driver):
    provider = ROW


class AsyncMiniMaxDriver(CostMixin, AsyncDriver):
    provider = ROW
