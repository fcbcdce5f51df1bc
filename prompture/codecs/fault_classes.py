"""Which class an error is: the tables of codes, statuses and messages.

They follow the providers' documents and recorded errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prompture import errors
from prompture.errors import ProviderError
from prompture.types import JSON


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error body states. ``error`` is its inner object, empty where it has none; ``is_stated``
    is False where the body is not JSON or has no message in it, and ``message`` is ours."""

    message: str
    codes: tuple[str, ...]
    error: JSON
    is_stated: bool = True

    @property
    def code(self) -> str | None:
        return self.codes[0] if self.codes else None


_CONTEXT = re.compile(
    # What is too long, then that it is; the limits' names; and what to do about it.
    r"(?:prompt|input|context|messages?|request|sequence|conversation)s?\b[^.:]{0,80}"
    r"\b(?:is|are|was|were|too) (?:way |far |much )?too (?:long|large|big)"
    r"|(?:prompt|input|messages?|context|conversation|sequence)s? too (?:long|large)"
    r"|too many (?:input |prompt )tokens|input tokens? exceed"
    r"|(?:prompt|input|context|messages|token count|tokens|request)\b[^.]{0,80}\bexceed(?:s|ed|ing)?\b"
    r"[^.]{0,60}(?:maximum length|context|maximum number of tokens|token limit|tokens allowed"
    r"|configured limit|max(?:imum)? (?:message |input |prompt )?tokens|model'?s limit|input limit|model length)"
    r"|exceed(?:s|ed|ing)? (?:the |this |your )?(?:model'?s? )?(?:available |max(?:imum)? |input )*"
    r"(?:context|prompt length|sequence length|token limit)"
    r"|(?:context|prompt) (?:window|length|size|limit) (?:has been |was |is )?exceed"
    r"|context (?:window|length|limit)[^.]{0,20} exceeds"
    r"|maximum (?:context|prompt|input|model|sequence) (?:length|size|tokens)"
    r"|max(?:imum)? context (?:length|size|window)|model'?s context (?:length|window|size)"
    r"|longer than the (?:model|maximum|context|allowed)"
    r"|context length of only|context_length_exceeded|model_max_prompt_tokens_exceeded"
    r"|too large for model with|exceeded model token limit|exceeds the maximum number of tokens"
    r"|`max_new_tokens` must be|range of input length should be|expected max_?length"
    r"|tokens to keep from the initial prompt|trying to keep the first \d+ tokens"
    r"|reduce the (?:length|size|number) of (?:the |your )?(?:messages|prompt|input|context)"
    r"|tokens? exceeds? (?:the )?max(?:imum)?\b"
    r"|n_ctx|input length \(?\d* ?(?:tokens )?\)?(?:exceeds|is longer)",
    re.IGNORECASE,
)
_OTHER_LIMIT = re.compile(
    r"rate limit|per (?:minute|day|hour|second)|quota|try again (?:later|in)|please wait"
    r"|max(?:_completion|_output)?_tokens(?: is| value)? (?:is )?too|string too long|string_above_max"
    r"|\b(?:image|picture|audio|video|file)s? (?:size )?(?:is|are|exceeds?)\b|\bbytes\b|\d ?[MK]i?B\b",
    re.IGNORECASE,
)
_BY_CODE: Mapping[type[ProviderError], str] = {
    errors.AuthenticationError: (
        "invalid_api_key authentication_error invalid_authentication_error"
        " incorrect_api_key_error unauthenticated expiredtokenexception invalidapikey"
        " unrecognizedclientexception 1000 1001 1002 1003 1004 minimax:1004 minimax:2049"
    ),
    errors.PermissionDenied: (
        "permission_error permission_denied permission_denied_error accessdeniedexception 1220 434"
    ),
    errors.ModelNotFound: (
        "model_not_found deploymentnotfound not_found_error resource_not_found_error"
        " unknown_model invalid_model 1211"
    ),
    errors.QuotaExhausted: (
        "insufficient_quota credit_balance_exhausted exceeded_current_quota_error billing_error"
        " billing_hard_limit_reached arrearage 1113 1112 1308 1309 minimax:1008 minimax:2056"
    ),
    errors.Overloaded: (
        "overloaded_error overloaded slow_down server_is_overloaded engine_overloaded_error"
        " insufficient_system_resource capacity_exceeded"
    ),
    errors.ContextWindowExceeded: "context_length_exceeded exceed_context_size_error 1261",
    errors.ContentFiltered: (
        "content_filter content_policy_violation invalid_prompt bio_policy"
        " misalignment_policy_violation responsibleaipolicyviolation 1301 sensitive"
        " datainspectionfailed data_inspection_failed minimax:1026 minimax:1027"
    ),
    errors.ToolArgumentsInvalid: "tool_use_failed json_validate_failed",
    errors.RateLimitError: (
        "rate_limit_exceeded rate_limit_error rate_limit_reached_error throttlingexception"
        " resource_exhausted throttling throttling.ratequota 1302 1303 1305 minimax:1002"
        " minimax:1039 minimax:1041"
    ),
    errors.ServerError: (
        "server_error internal_error internal_server_error api_error internalservererror 1230 1234"
    ),
    errors.InvalidRequest: (
        "invalid_request_error invalid_request invalid_parameter_error minimax:2013"
    ),
}
_CLASS_OF: Mapping[str, type[ProviderError]] = {
    code: cls for cls, codes in _BY_CODE.items() for code in codes.split()
}
_BY_STATUS: Mapping[int, type[ProviderError]] = {
    401: errors.AuthenticationError,
    # DeepSeek and OpenRouter: the balance is used up.
    402: errors.QuotaExhausted,
    403: errors.PermissionDenied,
    404: errors.ModelNotFound,
    408: errors.ServerError,
    499: errors.ServerError,
    # Bedrock: the model failed (ModelErrorException).
    424: errors.ServerError,
    425: errors.ServerError,
    429: errors.RateLimitError,
    # Groq: no capacity for the flex tier. Cohere's 498, a filter, is read in its own module.
    498: errors.RateLimitError,
    503: errors.Overloaded,
    529: errors.Overloaded,
}


def error_class(status: int, fault: Fault) -> type[ProviderError]:
    """The class of an error with this HTTP status (200 for one inside a good response)."""
    # A code is more exact than a status: gateways answer 400 or 500 to everything.
    for code in fault.codes:
        cls = _class_of(code, fault)
        # Google's RESOURCE_EXHAUSTED is a minute's limit and a day's: the rest of the body decides.
        if cls is errors.RateLimitError and _is_quota(fault):
            return errors.QuotaExhausted
        if cls in _SPECIFIC or (cls and status < 400):
            return cls
    # Few providers have a code for this; the message is all that they have in common.
    if status in (200, 400, 413, 422, 429, 500) and is_too_long(fault.message):
        return errors.ContextWindowExceeded
    # Gemini answers 400, not 401, to a key that is not valid.
    if status == 400 and _KEY.search(fault.message):
        return errors.AuthenticationError
    # Mistral: "Service tier capacity exceeded for this model"; the client did nothing too fast.
    if status == 429 and _CAPACITY.search(fault.message):
        return errors.Overloaded
    # A missing file or response is no missing model: another model would not help.
    if status == 404 and _NAMED.search(fault.message):
        return errors.InvalidRequest
    if cls := _BY_STATUS.get(status):
        return _by_details(cls, fault)
    if status >= 500:
        return errors.ServerError
    if status < 400:
        return errors.ServerError
    named = (_class_of(code, fault) for code in fault.codes)
    return next((cls for cls in named if cls), errors.InvalidRequest)


def is_too_long(message: str) -> bool:
    """Whether a message is about a prompt that does not fit into the model's window."""
    return bool(_CONTEXT.search(message)) and not _OTHER_LIMIT.search(message)


_NAMED = re.compile(
    r"\b(?:response|item|file|cache|cached ?content|batch|container|conversation|vector store|skill)"
    r"s?\b[^.]{0,60}(?:not found|does not exist)|no such (?:file|batch|item|response)",
    re.IGNORECASE,
)
"""What a request names besides the model."""
_ADDRESS = re.compile(
    r"no route|route (?:not found|for)|unknown (?:route|endpoint|path|url|method)|url was not found"
    r"|invalid url|no such (?:endpoint|route|path|url)|unexpected endpoint|cannot (?:get|post) /"
    r"|page not found|file not found|resource not found|(?:endpoint|path|url|route) not found"
    r"|no handler|no static resource|method not allowed|unrecognized request url"
    r"|^\W*(?:404\W*)?not found\W*$",
    re.IGNORECASE,
)
_OF_MODELS = re.compile(
    r"/models/[\w.:-]+ (?:is|was) not found|model [`'\"\w].* not|pull", re.IGNORECASE
)


def is_wrong_address(status: int, fault: Fault) -> bool:
    """Whether the server does not know the path, rather than what was asked for there: a page,
    no body, or words of routes and not of models."""
    # It answers HTTP 200 to a path that it does not have.
    if status == 200 and fault.message.startswith("Unexpected endpoint"):
        return True  # LM Studio
    if 300 <= status < 400:
        return True
    if status not in (404, 405) or any(_class_of(c, fault) in _SPECIFIC for c in _sure(fault)):
        return False
    if _ADDRESS.search(fault.message):
        return not _OF_MODELS.search(fault.message)
    # A page or nothing at all: a provider's own 404 says what is missing.
    return not fault.is_stated


def _sure(fault: Fault) -> Iterator[str]:
    """Codes that name a missing model; those that name a missing anything do not count."""
    return (code for code in fault.codes if "not_found_error" not in code and code != "404")


def _class_of(code: str, fault: Fault) -> type[ProviderError] | None:
    """By the tables. Z.ai's business codes are numbers, as other providers' with other meanings
    are; those name a ``type`` beside them."""
    if code.isdecimal() and fault.error.get("type"):
        return None
    # MiniMax's numbers mean other things than Z.ai's (its page "Error codes").
    if "status_msg" in fault.error:
        return _CLASS_OF.get(f"minimax:{code}")
    # Anthropic's codes of limits that an account has set for itself.
    if code.endswith("_spend_limit_reached"):
        return errors.QuotaExhausted
    return _CLASS_OF.get(code.lower())


_SPECIFIC = (
    errors.ModelNotFound,
    errors.QuotaExhausted,
    errors.Overloaded,
    errors.ContextWindowExceeded,
    errors.ContentFiltered,
    errors.ToolArgumentsInvalid,
    errors.AuthenticationError,
    errors.RateLimitError,
)
_KEY = re.compile(r"api[ _]key not valid|incorrect api key|invalid api[ _]key", re.IGNORECASE)
_CAPACITY = re.compile(r"capacity exceeded|overloaded", re.IGNORECASE)
_QUOTA = re.compile(
    r"PerDay|insufficient balance|exceeded your current quota, please check your plan"
)


def _by_details(cls: type[ProviderError], fault: Fault) -> type[ProviderError]:
    """The class of a status, narrowed by OpenRouter's metadata or Google's details."""
    metadata = fault.error.get("metadata")
    details = metadata if isinstance(metadata, Mapping) else {}
    if cls is errors.PermissionDenied and ("flagged_input" in details or "reasons" in details):
        return errors.ContentFiltered
    if (
        cls is errors.QuotaExhausted
        and details.get("limit_source") == "openrouter_in_flight_budget"
    ):
        return errors.RateLimitError
    if cls is errors.RateLimitError and _is_quota(fault):
        return errors.QuotaExhausted
    return cls


def _is_quota(fault: Fault) -> bool:
    return bool(_QUOTA.search(json.dumps(fault.error.get("details", "")) + fault.message))
