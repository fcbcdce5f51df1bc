"""One hand-written error of each provider: a wrong key; for servers that ask for none, a model that
is not there. The wording is ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.cassette_cases import NO_MODEL
from tests.loopback import Reply, json_reply


def _openai_error(message: str, code: str | None, kind: str = "invalid_request_error") -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


_WRONG = _openai_error("Incorrect API key provided.", "invalid_api_key")
_GOOGLE_WRONG = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
}
_ERRORS: Mapping[str, tuple[int, Any]] = {
    "claude": (
        401,
        {
            "type": "error",
            "error": {"type": "authentication_error", "message": "invalid x-api-key"},
            "request_id": None,
        },
    ),
    "google": (
        400,
        {
            "error": {
                "code": 400,
                "message": "API key not valid. Please pass a valid API key.",
                "status": "INVALID_ARGUMENT",
                "details": [_GOOGLE_WRONG],
            }
        },
    ),
    "vertex": (
        401,
        {"error": {"code": 401, "message": "Invalid credentials.", "status": "UNAUTHENTICATED"}},
    ),
    "grok": (400, {"code": "invalid argument", "error": "Incorrect API key provided."}),
    "moonshot": (
        401,
        _openai_error("Invalid Authentication", None, "invalid_authentication_error"),
    ),
    "zai": (401, {"error": {"code": "1000", "message": "Authentication Failed"}}),
    "modelscope": (401, {"errors": {"message": "Authentication failed."}, "request_id": "1"}),
    "openrouter": (401, {"error": {"message": "User not found.", "code": 401}}),
    "cohere": (401, {"id": "1", "message": "invalid api token"}),
    "mistral": (401, {"message": "Unauthorized", "request_id": "1"}),
    "deepseek": (401, _openai_error("Authentication Fails", "invalid_request_error")),
    "fireworks": (401, {"error": {"object": "error", "message": "The API key is invalid."}}),
    "cerebras": (401, {"message": "Wrong API Key", "code": "wrong_api_key", "param": "api_key"}),
    "huggingface": (401, {"error": "Invalid username or password."}),
    "minimax": (
        401,
        {"type": "error", "error": {"type": "authorized_error", "message": "login fail"}},
    ),
    "volcengine": (
        401,
        {"error": {"code": "AuthenticationError", "message": "The API key is invalid."}},
    ),
    "cloudflare": (
        401,
        {
            "result": None,
            "success": False,
            "errors": [{"code": 10000, "message": "Authentication error"}],
        },
    ),
    "azure": (401, {"error": {"code": "401", "message": "Access denied: invalid key."}}),
    "bedrock": (403, {"message": "The security token included in the request is invalid."}),
    "ollama": (404, {"error": f"model '{NO_MODEL}' not found"}),
    "lmstudio": (404, _openai_error("Model not found.", "model_not_found")),
}


def error(provider: str) -> Reply:
    """What the provider answers to a wrong key, or to the name of a model it has not."""
    if provider == "perplexity":  # whose gateway answers with a page
        page = b"<html><head><title>401 Authorization Required</title></head></html>"
        return Reply(status=401, body=page, headers={"content-type": "text/html"})
    status, body = _ERRORS.get(provider, (401, _WRONG))
    more = {"x_amzn_errortype": "UnrecognizedClientException"} if provider == "bedrock" else {}
    return json_reply(body, status=status, **more)
