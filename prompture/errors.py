"""Every error Prompture raises, split by who must act.

* PromptureError
    * ConfigurationError      you, now: an argument, a key, a schema
        * MissingKey              no API key was given or found
        * MissingExtra            an optional package is not installed
        * UnknownModel            no such provider or model
        * UnknownOption           an option that this call does not know
        * UnsupportedError        the driver or model cannot do what was asked
        * SchemaError             the schema is no schema, or too much for the provider
        * DocumentError           a file that cannot be read as asked: see document_errors
    * TransportError          the network: no whole HTTP response arrived
        * ConnectTimeout          no connection in time
        * ReadTimeout             connected, but no answer in time
        * ConnectionLost          refused, reset, or cut off in the middle
        * Unavailable             not sent: the breaker of the endpoint is open
        * DeadlineExceeded        ``deadline=`` was over, or a wait would have passed it
    * ProviderError           the provider answered and says no
        * AuthenticationError     the key is wrong
        * PermissionDenied        the key may not do this
        * ModelNotFound           the provider has no such model
        * InvalidRequest          the request breaks the provider's rules
            * ToolArgumentsInvalid    the provider rejected what the model generated
        * ContextWindowExceeded   the request is longer than the model can read
        * ContentFiltered         the provider's filter stopped it
        * RateLimitError          too many requests; wait and try again
            * KeysExhausted           of several keys, all are at their limits or refused
        * QuotaExhausted          the money or the plan is used up; waiting does not help
        * ServerError             the provider failed
            * Overloaded              the provider is short of capacity
    * ProtocolError           an answer that breaks its own protocol
    * ExtractionError         the model answered, and no valid value came of it
        * Refused                 the model declined
        * Truncated               the answer was cut off
        * Invalid                 the answer does not satisfy the schema
            * NotGrounded             a value that must stand in the text does not
    * AgentError              an agent's run ended before its answer; has the trace
        * LimitExceeded           a limit of the run
            * StepLimitExceeded       model calls
            * CallLimitExceeded       tool calls
            * TokenLimitExceeded      tokens
            * CostLimitExceeded       US dollars
            * TimeLimitExceeded       seconds
        * ToolFailed              a tool raised, which ends the run (on_error="raise")
    * BudgetExceeded          your own spending limit
    * StoreUnavailable        a store that processes share cannot be reached
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from prompture.copying import PicklableError

if TYPE_CHECKING:
    from prompture.money import Bill
    from prompture.traces import Attempt, Problem, Trace
    from prompture.types import Completion, JSONValue


class PromptureError(PicklableError, Exception):
    """Base of every error this package raises.

    Attributes:
        bill: what had been spent when it was raised; None where nothing was paid for.
        partial: the answer so far, where a stream was cut off, or the rest of one that was.
        trace: an agent's run so far, where one ended with this error
            (``prompture.traces.Trace``).
        attempts: what an extraction had tried, in order, over all its models
            (``prompture.extraction.result.Attempt``).
        too_long: whether it is the length of the document that is refused.

    An error is copied and pickled with its attributes, its notes and its cause. What cannot be
    pickled is left out, and a note says so.
    """

    # Defaults of the class: an error that is read back without its __init__ (see copying) has them.
    bill: Bill | None = None
    partial: Completion | None = None
    trace: Trace | None = None
    attempts: tuple[Attempt, ...] = ()
    retryable: bool = False
    too_long: bool = False


class ConfigurationError(PromptureError):
    """An argument, a key or a setting must be changed; sending again is of no use."""


class MissingKey(ConfigurationError):
    """No API key was given and none of the provider's variables is set."""


class MissingExtra(ConfigurationError):
    """An optional package is needed: ``pip install "prompture[extra]"``."""

    def __init__(self, *, extra: str, package: str, otherwise: str = "") -> None:
        super().__init__(
            f'{package} is not installed; it comes with pip install "prompture[{extra}]"{otherwise}'
        )
        self.extra = extra
        self.package = package


class UnknownModel(ConfigurationError):
    """No such provider, or a model string that names none."""


class UnknownOption(ConfigurationError):
    """An option that this call does not know."""


class UnsupportedError(ConfigurationError):
    """The driver or model cannot do what was asked; see the ``supports_*`` flags."""


class SchemaError(ConfigurationError):
    """The schema is not one, or the provider's dialect cannot express it."""


class TransportError(PromptureError):
    """No whole HTTP response arrived.

    Attributes:
        unsent: True where the request certainly never reached the provider.
    """

    retryable = True
    unsent: bool = False
    # A transport's own exception holds the request that was sent, and so the key.
    _keeps_cause = False


class ConnectTimeout(TransportError):
    """No connection was made in time."""

    # No connection, so nothing was sent, and nothing can have been billed.
    unsent = True


class ReadTimeout(TransportError):
    """The provider did not answer in time."""


class ConnectionLost(TransportError):
    """The connection was refused, reset, or ended in the middle."""


class Unavailable(TransportError):
    """Not sent: the endpoint's last calls failed, and its breaker keeps others away for a while."""

    retryable = False
    unsent = True


class DeadlineExceeded(TransportError):
    """The time for the whole call was over, or would have been before it could be sent.

    Attributes:
        deadline: the seconds that were given for the whole.
        elapsed: the seconds that had passed of it.
        during: what was under way. ``unsent``: no try, else its cost is in doubt.
    """

    retryable = False

    def __init__(
        self, message: str, *, deadline: float = 0.0, elapsed: float = 0.0, during: str = ""
    ) -> None:
        super().__init__(message)
        self.deadline, self.elapsed, self.during = deadline, elapsed, during


class ProviderError(PromptureError):
    """The provider answered with an error.

    Attributes:
        provider: name of the provider's row, e.g. ``"openai"``.
        status: HTTP status code (200 where the error came inside a good response, 0 where
            nothing was sent).
        code: the provider's own error code or type, where it gives one.
        request_id: the provider's id of the request, for its support.
        retry_after: seconds the provider asks to wait, where it says.
        body: the first 2,000 characters of the response.
        details: provider-specific extras (``failed_generation``, filter results).
        unsent: True where nothing was sent (a pause that the provider had asked for before).
    """

    unsent: bool = False

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        body: str = "",
        retryable: bool | None = None,
        details: dict[str, JSONValue] | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.body = body
        self.details = details or {}
        # Else the class's own answer stands.
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        # Made when it is shown: ``args`` hold the bare message, of which a copy is made.
        code = f" {self.code}" if self.code else ""
        where = f"HTTP {self.status}{code}" if self.status else "before sending"
        return f"{self.provider}: {where}: {super().__str__()}"


class AuthenticationError(ProviderError):
    """The key is missing, wrong or expired."""


class PermissionDenied(ProviderError):
    """The key is good but may not do this."""


class ModelNotFound(ProviderError):
    """The provider has no such model, or not for this key."""


class InvalidRequest(ProviderError):
    """The request breaks the provider's rules."""


class ToolArgumentsInvalid(InvalidRequest):
    """The provider itself rejected what the model generated; ``details`` has the generation."""


class ContextWindowExceeded(ProviderError):
    """The request is longer than the model can read."""

    too_long = True


class ContentFiltered(ProviderError):
    """The provider's content filter stopped the request or the answer."""


class RateLimitError(ProviderError):
    """Too many requests or tokens; waiting helps."""

    retryable = True


class QuotaExhausted(ProviderError):
    """The credit or the plan's allowance is used up; waiting a moment does not help."""


class KeysExhausted(RateLimitError):
    """Every key of several is at its limit, out of credit, or refused.

    ``retry_after`` is in how many seconds the first of them may be used again.
    """

    retryable = False


class ServerError(ProviderError):
    """The provider failed."""

    retryable = True


class Overloaded(ServerError):
    """The provider is short of capacity; wait longer."""


class ProtocolError(PromptureError):
    """An answer that breaks its own protocol: HTML for JSON, an event that is no JSON."""


class ExtractionError(PromptureError):
    """The model answered, and no valid value came of it.

    Attributes:
        raw: the last answer as the model wrote it. In no message and no repr.
        value: plain JSON: that answer in the shape of the schema, as far as it could be read;
            None where it could not.
    """

    raw: str = ""
    value: JSONValue = None

    def __init__(self, message: str, *, attempts: Sequence[Attempt] = ()) -> None:
        super().__init__(message)
        self.attempts = tuple(attempts)


class Refused(ExtractionError):
    """The model declined, or a filter stopped its answer."""


class Truncated(ExtractionError):
    """The answer was cut off: by max_tokens or the end of the context window."""


class Invalid(ExtractionError):
    """The answer does not satisfy the schema; ``problems`` are what is wrong, and where (each a
    ``prompture.schema.problems.Problem``)."""

    def __init__(
        self, message: str, *, problems: Sequence[Problem] = (), attempts: Sequence[Attempt] = ()
    ) -> None:
        super().__init__(message, attempts=attempts)
        self.problems = tuple(problems)


class NotGrounded(Invalid):
    """Values that must stand in the text (``require_grounding``, ``Cascade.evidence``) do not;
    ``value`` is the whole that they are in."""

    @property
    def pointers(self) -> tuple[str, ...]:
        """JSON pointers of the values without a place."""
        return tuple(problem.pointer for problem in self.problems)


class AgentError(PromptureError):
    """An agent's run ended before its answer; ``trace`` is the run so far."""


class LimitExceeded(AgentError):
    """A limit of an agent's run was reached; ``limit`` is it, in its own unit."""

    def __init__(self, message: str, *, limit: int | float | Decimal | None = None) -> None:
        super().__init__(message)
        self.limit = limit


class StepLimitExceeded(LimitExceeded):
    """The model still called tools at its last allowed step."""


class CallLimitExceeded(LimitExceeded):
    """The model asked for more tool calls than are allowed."""


class TokenLimitExceeded(LimitExceeded):
    """The run used up its tokens."""


class CostLimitExceeded(LimitExceeded):
    """The run used up its dollars, or the price of a call is unknown."""


class TimeLimitExceeded(LimitExceeded):
    """The run used up its seconds."""


class ToolFailed(AgentError):
    """A tool with ``on_error="raise"`` raised; the cause is what it raised. ``tool`` is its name."""

    def __init__(self, message: str, *, tool: str) -> None:
        super().__init__(message)
        self.tool = tool


class BudgetExceeded(PromptureError):
    """A spending limit of yours would be passed.

    Attributes:
        spent: US dollars spent or reserved before the call.
        asked: US dollars that the call might have cost; None where its price is unknown.
        limit: the limit, in US dollars (None for a limit on tokens or calls).
    """

    def __init__(
        self,
        message: str,
        *,
        spent: Decimal,
        asked: Decimal | None,
        limit: Decimal | None = None,
    ) -> None:
        super().__init__(message)
        self.spent = spent
        self.asked = asked
        self.limit = limit


class StoreUnavailable(PromptureError):
    """A store that processes share (of limits) cannot be reached, and nothing is sent without it."""

    unsent = True
