"""Which class an error is: the tables of codes, statuses and words.

They follow the providers' documents and recorded errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from prompture import errors
from prompture.errors import ProviderError
from prompture.types import JSON


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error body says. ``error`` is its inner object, empty where it has none."""

    message: str
    codes: tuple[str, ...]
    error: JSON

    @property
    def code(self) -> str | None:
        return self.codes[0] if self.codes else None


_CONTEXT = re.compile(
    r"maximum context length|prompt is too long|exceeds? (?:the )?context limit"
    r"|exceeds the maximum number of tokens|input is too long|too many input tokens"
    r"|longer than the model's context length|exceeds the available context size"
    r"|too large for model with|exceeded model token limit|maximum prompt length"
    r"|`max_new_tokens` must be|tokens to keep from the initial prompt"
    r"|context length of only|input token count .{0,40}exceeds|model_max_prompt_tokens_exceeded"
    r"|exceeds? the (?:model's )?(?:maximum )?context (?:window|length)|context size has been exceeded"
    r"|trying to keep the first \d+ tokens",
    re.IGNORECASE,
)
_BY_CODE: Mapping[type[ProviderError], str] = {
    errors.AuthenticationError: (
        "invalid_api_key authentication_error invalid_authentication_error"
        " incorrect_api_key_error unauthenticated expiredtokenexception invalidapikey"
        " unrecognizedclientexception 1000 1001 1002 1003 1004"
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
        " billing_hard_limit_reached arrearage 1113 1112 1308 1309"
    ),
    errors.Overloaded: (
        "overloaded_error overloaded slow_down server_is_overloaded engine_overloaded_error"
        " insufficient_system_resource capacity_exceeded"
    ),
    errors.ContextWindowExceeded: "context_length_exceeded exceed_context_size_error 1261",
    errors.ContentFiltered: (
        "content_filter content_policy_violation invalid_prompt bio_policy"
        " misalignment_policy_violation responsibleaipolicyviolation 1301 sensitive"
        " datainspectionfailed data_inspection_failed"
    ),
    errors.ToolArgumentsInvalid: "tool_use_failed json_validate_failed",
    errors.RateLimitError: (
        "rate_limit_exceeded rate_limit_error rate_limit_reached_error throttlingexception"
        " resource_exhausted throttling throttling.ratequota 1302 1303 1305"
    ),
    errors.ServerError: (
        "server_error internal_error internal_server_error api_error internalservererror 1230 1234"
    ),
    errors.InvalidRequest: "invalid_request_error invalid_request invalid_parameter_error",
}
_CLASS_OF: Mapping[str, type[ProviderError]] = {
    code: cls for cls, codes in _BY_CODE.items() for code in codes.split()
}
_BY_STATUS: Mapping[int, type[ProviderError]] = {
    401: errors.AuthenticationError,
    402: errors.QuotaExhausted,
    403: errors.PermissionDenied,
    404: errors.ModelNotFound,
    408: errors.ServerError,
    499: errors.ServerError,
    424: errors.ServerError,
    425: errors.ServerError,
    429: errors.RateLimitError,
    498: errors.RateLimitError,
    503: errors.Overloaded,
    529: errors.Overloaded,
}


def error_class(status: int, fault: Fault) -> type[ProviderError]:
    """The class of an error with this HTTP status (200 for one inside a good response)."""
    for code in fault.codes:
        cls = _class_of(code, fault)
        if cls is errors.RateLimitError and _is_quota(fault):
            return errors.QuotaExhausted
        if cls in _SPECIFIC or (cls and status < 400):
            return cls
    if status in (200, 400, 413, 422, 429, 500) and _CONTEXT.search(fault.message):
        return errors.ContextWindowExceeded
    if status == 400 and _KEY.search(fault.message):
        return errors.AuthenticationError
    if status == 429 and _CAPACITY.search(fault.message):
        return errors.Overloaded
    if cls := _BY_STATUS.get(status):
        return _by_details(cls, fault)
    if status >= 500:
        return errors.ServerError
    if status < 400:
        return errors.ServerError
    named = (_class_of(code, fault) for code in fault.codes)
    return next((cls for cls in named if cls), errors.InvalidRequest)


def _class_of(code: str, fault: Fault) -> type[ProviderError] | None:
    """By the tables. Z.ai's business codes are numbers, as other providers' with other meanings
    are; those name a ``type`` beside them."""
    if code.isdigit() and fault.error.get("type"):
        return None
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
    """What a status means where the body says more (OpenRouter's metadata, Google's details)."""
    metadata = fault.error.get("metadata")
    said = metadata if isinstance(metadata, Mapping) else {}
    if cls is errors.PermissionDenied and ("flagged_input" in said or "reasons" in said):
        return errors.ContentFiltered
    if cls is errors.QuotaExhausted and said.get("limit_source") == "openrouter_in_flight_budget":
        return errors.RateLimitError
    if cls is errors.RateLimitError and _is_quota(fault):
        return errors.QuotaExhausted
    return cls


def _is_quota(fault: Fault) -> bool:
    return bool(_QUOTA.search(json.dumps(fault.error.get("details", "")) + fault.message))
