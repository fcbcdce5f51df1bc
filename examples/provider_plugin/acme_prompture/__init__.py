"""A provider that speaks OpenAI's dialect, and a hook, for anybody who installs this package."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.hooks import Hooks
from prompture.drivers.provider import Features, Provider
from prompture.types import Completion, Request

ACME = Provider(
    name="acme",
    title="Acme",
    codec=OpenAIChat(tokens_param="max_tokens"),
    base_url="https://llm.acme.example/v1",
    key_env=("ACME_API_KEY",),
    url_env=("ACME_BASE_URL",),
    default_model="acme-large",
    features=Features(vision=False, schema_dialect="openai-compatible"),
    docs="https://llm.acme.example/docs",
)

SEEN: list[tuple[str, str]] = []


def note(request: Request, completion: Completion) -> None:
    """Remember which models answered."""
    SEEN.append((request.model, completion.stop_reason))


HOOKS = Hooks(after_response=note)
