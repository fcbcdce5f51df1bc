"""AWS Bedrock, Converse API.

Docs: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from dataclasses import replace

from prompture.codecs.anthropic_models import claude
from prompture.codecs.bedrock import BedrockConverse
from prompture.drivers.provider import Features, Provider


def narrow(model: str, features: Features) -> Features:
    """Only Claude is known to hold an answer to a schema here; see ``claude`` for its rules."""
    if "claude" not in model:
        return replace(features, json_schema=False)
    rules = claude(model)
    return replace(features, json_schema=rules.structured, forced_tool=not rules.must_think)


ROW = Provider(
    name="bedrock",
    title="AWS Bedrock",
    codec=BedrockConverse(),
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    key_env=("AWS_BEARER_TOKEN_BEDROCK",),
    key_required=False,
    default_model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    docs="https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference.html",
    catalog="amazon-bedrock",
    # Converse has schemas and tools, and no JSON mode.
    features=Features(json_mode=False, vision=True, files=True, schema_dialect="anthropic"),
    narrow=narrow,
    options={
        "region": "us-east-1",
        "access_key_id": "",
        "secret_access_key": "",
        "session_token": "",
    },
    option_env={
        "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
        "access_key_id": ("AWS_ACCESS_KEY_ID",),
        "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
        "session_token": ("AWS_SESSION_TOKEN",),
    },
)
