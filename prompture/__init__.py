"""Typed extraction from any model: a validated object, where each value stood, what it cost.

    from pydantic import BaseModel
    from prompture import extract

    class Receipt(BaseModel):
        company: str
        total: float

    receipt = extract(Receipt, "ACME Ltd\\nTotal: 12.50")

Names are imported when first used (PEP 562), so that ``import prompture`` loads no transport.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from prompture import startup

if TYPE_CHECKING:
    from prompture import agents as agents
    from prompture import catalog as catalog
    from prompture import errors as errors
    from prompture import schema as schema
    from prompture import testing as testing
    from prompture.agents.agent import Agent as Agent
    from prompture.agents.conversation import Conversation as Conversation
    from prompture.agents.mcp import MCPServer as MCPServer
    from prompture.agents.signatures import Context as Context
    from prompture.agents.tools import FunctionTool as FunctionTool
    from prompture.agents.tools import ToolRetry as ToolRetry
    from prompture.agents.tools import tool as tool
    from prompture.document_errors import DocumentEmpty as DocumentEmpty
    from prompture.document_errors import DocumentEncrypted as DocumentEncrypted
    from prompture.document_errors import DocumentError as DocumentError
    from prompture.document_errors import DocumentTooLarge as DocumentTooLarge
    from prompture.document_errors import DocumentUnavailable as DocumentUnavailable
    from prompture.document_errors import DocumentUnreadable as DocumentUnreadable
    from prompture.document_errors import DocumentUnsupported as DocumentUnsupported
    from prompture.document_errors import DocumentWithoutText as DocumentWithoutText
    from prompture.documents import adocument as adocument
    from prompture.documents import document as document
    from prompture.drivers import AsyncAzureDriver as AsyncAzureDriver
    from prompture.drivers import AsyncClaudeDriver as AsyncClaudeDriver
    from prompture.drivers import AsyncCohereDriver as AsyncCohereDriver
    from prompture.drivers import AsyncDeepSeekDriver as AsyncDeepSeekDriver
    from prompture.drivers import AsyncGoogleDriver as AsyncGoogleDriver
    from prompture.drivers import AsyncGrokDriver as AsyncGrokDriver
    from prompture.drivers import AsyncGroqDriver as AsyncGroqDriver
    from prompture.drivers import AsyncLMStudioDriver as AsyncLMStudioDriver
    from prompture.drivers import AsyncMistralDriver as AsyncMistralDriver
    from prompture.drivers import AsyncModelScopeDriver as AsyncModelScopeDriver
    from prompture.drivers import AsyncMoonshotDriver as AsyncMoonshotDriver
    from prompture.drivers import AsyncOllamaDriver as AsyncOllamaDriver
    from prompture.drivers import AsyncOpenAIDriver as AsyncOpenAIDriver
    from prompture.drivers import AsyncOpenRouterDriver as AsyncOpenRouterDriver
    from prompture.drivers import AsyncZaiDriver as AsyncZaiDriver
    from prompture.drivers import AzureDriver as AzureDriver
    from prompture.drivers import ClaudeDriver as ClaudeDriver
    from prompture.drivers import CohereDriver as CohereDriver
    from prompture.drivers import DeepSeekDriver as DeepSeekDriver
    from prompture.drivers import GoogleDriver as GoogleDriver
    from prompture.drivers import GrokDriver as GrokDriver
    from prompture.drivers import GroqDriver as GroqDriver
    from prompture.drivers import LMStudioDriver as LMStudioDriver
    from prompture.drivers import MistralDriver as MistralDriver
    from prompture.drivers import ModelScopeDriver as ModelScopeDriver
    from prompture.drivers import MoonshotDriver as MoonshotDriver
    from prompture.drivers import OllamaDriver as OllamaDriver
    from prompture.drivers import OpenAIDriver as OpenAIDriver
    from prompture.drivers import OpenRouterDriver as OpenRouterDriver
    from prompture.drivers import ZaiDriver as ZaiDriver
    from prompture.drivers.base import AsyncDriver as AsyncDriver
    from prompture.drivers.base import Driver as Driver
    from prompture.drivers.caching import Cache as Cache
    from prompture.drivers.classes import async_driver_for as async_driver_for
    from prompture.drivers.classes import driver_for as driver_for
    from prompture.drivers.config import configure as configure
    from prompture.drivers.cost import CostMixin as CostMixin
    from prompture.drivers.hooks import Hooks as Hooks
    from prompture.drivers.limits import Limits as Limits
    from prompture.drivers.limits import priority as priority
    from prompture.drivers.openai_compatible import AsyncOpenAICompatible as AsyncOpenAICompatible
    from prompture.drivers.openai_compatible import OpenAICompatible as OpenAICompatible
    from prompture.drivers.probe import Health as Health
    from prompture.drivers.probe import RequestProblems as RequestProblems
    from prompture.drivers.provider import Features as Features
    from prompture.drivers.provider import Provider as Provider
    from prompture.drivers.registry import register as register
    from prompture.drivers.telemetry import instrument as instrument
    from prompture.drivers.telemetry import uninstrument as uninstrument
    from prompture.errors import *  # noqa: F403
    from prompture.extraction.chunks import Chunk as Chunk
    from prompture.extraction.chunks import Chunks as Chunks
    from prompture.extraction.chunks import Claim as Claim
    from prompture.extraction.estimate import Estimate as Estimate
    from prompture.extraction.examples import Examples as Examples
    from prompture.extraction.extractor import Extractor as Extractor
    from prompture.extraction.functions import aestimate as aestimate
    from prompture.extraction.functions import aextract as aextract
    from prompture.extraction.functions import aextract_items as aextract_items
    from prompture.extraction.functions import aextract_result as aextract_result
    from prompture.extraction.functions import aextract_stream as aextract_stream
    from prompture.extraction.functions import estimate as estimate
    from prompture.extraction.functions import extract as extract
    from prompture.extraction.functions import extract_items as extract_items
    from prompture.extraction.functions import extract_result as extract_result
    from prompture.extraction.functions import extract_stream as extract_stream
    from prompture.extraction.grounding import ground as ground
    from prompture.extraction.items import Item as Item
    from prompture.extraction.model_drivers import Cascade as Cascade
    from prompture.extraction.partial import Partial as Partial
    from prompture.extraction.result import Attempt as Attempt
    from prompture.extraction.result import Extraction as Extraction
    from prompture.media import file as file
    from prompture.media import image as image
    from prompture.money import Bill as Bill
    from prompture.money import Charge as Charge
    from prompture.money import Cost as Cost
    from prompture.spend.budget import Budget as Budget
    from prompture.spend.ledger import Ledger as Ledger
    from prompture.spend.ledger import ledger as ledger
    from prompture.spend.ledger_query import LedgerReader as LedgerReader
    from prompture.spend.scope import bind as bind
    from prompture.spend.scope import labels as labels
    from prompture.spend.scope import track as track
    from prompture.traces import AgentResult as AgentResult
    from prompture.types import Completion as Completion
    from prompture.types import Delta as Delta
    from prompture.types import Document as Document
    from prompture.types import DocumentPage as DocumentPage
    from prompture.types import File as File
    from prompture.types import FileDocument as FileDocument
    from prompture.types import Image as Image
    from prompture.types import Message as Message
    from prompture.types import ModelInfo as ModelInfo
    from prompture.types import PageRegion as PageRegion
    from prompture.types import RateLimits as RateLimits
    from prompture.types import Request as Request
    from prompture.types import Span as Span
    from prompture.types import Text as Text
    from prompture.types import Tool as Tool
    from prompture.types import ToolCall as ToolCall
    from prompture.types import Usage as Usage
    from prompture.wire.retry import Breaker as Breaker
    from prompture.wire.retry import Retry as Retry
    from prompture.wire.retry import RetryQuota as RetryQuota

    Book = LedgerReader  # an old name, see _RENAMED


def _open_ledger() -> None:
    from prompture.spend.ledger import from_environment

    from_environment()


def _read_config(path: str) -> None:
    from prompture.drivers.config import configure

    configure(path)


# Before any other module of the package runs: lower parts call these without knowing of them.
startup.open_ledger = _open_ledger
startup.read_config = _read_config

__version__ = "0.1.0"

_HOMES = {
    "prompture.agents.agent": "Agent",
    "prompture.agents.conversation": "Conversation",
    "prompture.agents.mcp": "MCPServer",
    "prompture.agents.tools": "FunctionTool ToolRetry tool",
    "prompture.traces": "AgentResult",
    "prompture.agents.signatures": "Context",
    "prompture.drivers.base": "AsyncDriver Driver",
    "prompture.drivers.openai_compatible": "AsyncOpenAICompatible OpenAICompatible",
    "prompture.drivers.classes": "async_driver_for driver_for",
    "prompture.drivers.caching": "Cache",
    "prompture.drivers.config": "configure",
    "prompture.drivers.cost": "CostMixin",
    "prompture.drivers.hooks": "Hooks",
    "prompture.drivers.limits": "Limits priority",
    "prompture.drivers.probe": "Health RequestProblems",
    "prompture.drivers.provider": "Features Provider",
    "prompture.drivers.registry": "register",
    "prompture.drivers.telemetry": "instrument uninstrument",
    "prompture.errors": (
        "AgentError AuthenticationError BudgetExceeded CallLimitExceeded ConfigurationError"
        " ConnectTimeout ConnectionLost ContentFiltered ContextWindowExceeded CostLimitExceeded"
        " DeadlineExceeded ExtractionError Invalid InvalidRequest KeysExhausted LimitExceeded"
        " MissingExtra MissingKey NotGrounded"
        " ModelNotFound Overloaded PermissionDenied PromptureError ProtocolError ProviderError"
        " QuotaExhausted RateLimitError ReadTimeout Refused SchemaError ServerError"
        " StepLimitExceeded StoreUnavailable TimeLimitExceeded TokenLimitExceeded"
        " ToolArgumentsInvalid ToolFailed TransportError Truncated Unavailable UnknownModel"
        " UnknownOption UnsupportedError"
    ),
    "prompture.document_errors": (
        "DocumentEmpty DocumentEncrypted DocumentError DocumentTooLarge DocumentUnreadable"
        " DocumentUnavailable DocumentUnsupported DocumentWithoutText"
    ),
    "prompture.documents": "adocument document",
    "prompture.extraction.chunks": "Chunk Chunks Claim",
    "prompture.extraction.estimate": "Estimate",
    "prompture.extraction.examples": "Examples",
    "prompture.extraction.extractor": "Extractor",
    "prompture.extraction.functions": (
        "aestimate aextract aextract_items aextract_result aextract_stream"
        " estimate extract extract_items extract_result extract_stream"
    ),
    "prompture.extraction.grounding": "ground",
    "prompture.extraction.items": "Item",
    "prompture.extraction.model_drivers": "Cascade",
    "prompture.extraction.partial": "Partial",
    "prompture.extraction.result": "Attempt Extraction",
    "prompture.media": "file image",
    "prompture.money": "Bill Charge Cost",
    "prompture.spend.scope": "bind labels track",
    "prompture.spend.ledger_query": "LedgerReader",
    "prompture.spend.budget": "Budget",
    "prompture.spend.ledger": "Ledger ledger",
    "prompture.types": (
        "Completion Delta Document DocumentPage File FileDocument Image Message ModelInfo RateLimits PageRegion"
        " Request Span Text Tool ToolCall Usage"
    ),
    "prompture.wire.retry": "Breaker Retry RetryQuota",
}
_DRIVERS = (
    "OpenAI Claude Google Groq Grok Moonshot Zai ModelScope"
    " OpenRouter Ollama LMStudio Cohere Mistral DeepSeek Azure"
)
_MODULES = ("agents", "catalog", "errors", "schema", "testing")
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()} | {
    f"{colour}{stem}Driver": "prompture.drivers"
    for stem in _DRIVERS.split()
    for colour in ("", "Async")
}
_RENAMED = {"Book": "LedgerReader"}
"""Old names, which still work, with a DeprecationWarning."""

__all__ = ["__version__", *sorted([*_HOME_OF, *_MODULES])]


if not TYPE_CHECKING:  # a checker shall find a name that is not there

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"prompture.{name}")
        home = _HOME_OF.get(name)
        if home is None:
            from prompture.compat import renamed

            return renamed(__name__, name, _RENAMED)
        found = getattr(import_module(home), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
