"""Moonshot AI (Kimi)."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.codecs.openai_compatible_quirks import moonshot_rule
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="moonshot",
    title="Moonshot (Kimi)",
    aliases=("kimi",),
    codec=OpenAIChat(
        tool_choice="auto",
        image_urls=False,
        text_only=True,
        reasoning="thinking",
        echo=("reasoning_content",),
        echo_blank="reasoning_content",
        stop_max=5,
        rule=moonshot_rule,
        quirks=Quirks(strip_leading=True),
    ),
    base_url="https://api.moonshot.ai/v1",
    key_env=("MOONSHOT_API_KEY", "MOONSHOTAI_API_KEY", "KIMI_API_KEY"),
    url_env=("MOONSHOT_BASE_URL",),
    default_model="kimi-k2.6",
    catalog="moonshotai",
    features=Features(vision=True, forced_tool=False, schema_dialect="moonshot"),
    docs="https://platform.moonshot.ai/docs/api/chat",
)


class MoonshotDriver(CostMixin, Driver):
    provider = ROW


class AsyncMoonshotDriver(CostMixin, AsyncDriver):
    provider = ROW
