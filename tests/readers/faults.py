"""Which class a recorded error must raise: ``shared/wire/README.md``'s table, read anew."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# Words of a body, in the order in which they decide; statuses decide where none is found.
_WORDS = (
    ("ToolArgumentsInvalid", r"tool_use_failed|json_validate_failed|invalid tool generation"),
    (
        "QuotaExhausted",
        r"insufficient_quota|credit_balance_exhausted|exceeded_current_quota_error|billing_error"
        r"|credit balance is too low|_spend_limit_reached|PerDay",
    ),
    (
        "Overloaded",
        r"overloaded_error|slow_down|server_is_overloaded|engine_overloaded|capacity exceeded",
    ),
    (
        "ContextWindowExceeded",
        r"context_length_exceeded|maximum context length|prompt is too long|exceed context limit"
        r"|exceeds the maximum number of tokens|input is too long|too many input tokens"
        r"|longer than the model's context length|exceeds the available context size"
        r"|too large for model with|exceeded model token limit|maximum prompt length"
        # Not in the table: Perplexity's words.
        r"|total length of all messages is too long",
    ),
    (
        "ModelNotFound",
        r"model_not_found|DeploymentNotFound|model identifier is invalid|\"invalid_model\""
        # Not in the table: xAI says it in words, with HTTP 400.
        r"|\"Model not found: ",
    ),
    (
        "ContentFiltered",
        r"\"code\": ?\"content_filter\"|content_policy_violation|\"invalid_prompt\"|bio_policy"
        r"|ResponsibleAIPolicyViolation|flagged_input|DataInspectionFailed",
    ),
    (
        "AuthenticationError",
        r"API key not valid|Incorrect API key|ExpiredToken|UnrecognizedClient"
        r"|InvalidSignatureException",
    ),
)
_STATUSES = {
    401: "AuthenticationError",
    402: "QuotaExhausted",
    403: "PermissionDenied",
    404: "ModelNotFound",
    408: "ServerError",
    424: "ServerError",
    429: "RateLimitError",
    503: "Overloaded",
    529: "Overloaded",
}


def expected(status: int, body: bytes, headers: Mapping[str, str]) -> str:
    """The name of the class for an error response."""
    text = body.decode(errors="replace") + headers.get("x-amzn-errortype", "")
    if status == 404 and re.search(r"resource not found", text, re.IGNORECASE):
        return "InvalidRequest"  # the path is wrong (Azure), not the model
    return _by_words(text) or _by_status(status)


def expected_inside(error: Any) -> str:
    """The same for an error inside a good response or a stream."""
    text = json.dumps(error)
    code = next(iter(re.findall(r'"(?:code|status_code)": "?([45]\d\d)\b', text)), None)
    if found := _by_words(text):
        return found
    if code:
        return _by_status(int(code))
    return "InvalidRequest" if "invalid_" in text else "ServerError"


def _by_words(text: str) -> str | None:
    return next((name for name, words in _WORDS if re.search(words, text, re.IGNORECASE)), None)


def _by_status(status: int) -> str:
    return _STATUSES.get(status) or ("ServerError" if status >= 500 else "InvalidRequest")
