"""What a provider is called: the one table of other names, for drivers, catalog and schemas.

A provider's own name is that of its row (``prompture/drivers/registry.py``). Other modules say
what they know of a provider under that name alone; a test finds tables that do not.
"""

from __future__ import annotations

from collections.abc import Mapping

ALIASES: Mapping[str, str] = {
    "anthropic": "claude",
    "gemini": "google",
    "xai": "grok",
    "x-ai": "grok",
    "kimi": "moonshot",
    "moonshotai": "moonshot",
    "z-ai": "zai",
    "z.ai": "zai",
    "zhipu": "zai",
    "zhipuai": "zai",
    "glm": "zai",
    "hf": "huggingface",
    "hugging_face": "huggingface",
    "mistralai": "mistral",
    "togetherai": "together",
    "fireworks-ai": "fireworks",
    "pplx": "perplexity",
    "qwen": "dashscope",
    "alibaba": "dashscope",
    "bailian": "dashscope",
    "ark": "volcengine",
    "doubao": "volcengine",
    "workers-ai": "cloudflare",
    "cloudflare-workers-ai": "cloudflare",
    "azure-openai": "azure",
    "azure_openai": "azure",
    "google-vertex": "vertex",
    "google_vertex": "vertex",
    "vertexai": "vertex",
    "vertex_ai": "vertex",
    "aws": "bedrock",
    "amazon-bedrock": "bedrock",
    "amazon_bedrock": "bedrock",
    "lm-studio": "lmstudio",
    "lm_studio": "lmstudio",
    "llama.cpp": "llamacpp",
    "llama-cpp": "llamacpp",
    "openai_compatible": "openai-compatible",
    "compatible": "openai-compatible",
    "rules": "local",
}
"""Another name of a provider, in lower case, to its own."""
_CATALOG_KEYS: Mapping[str, str] = {
    "claude": "anthropic",
    "grok": "xai",
    "moonshot": "moonshotai",
    "together": "togetherai",
    "fireworks": "fireworks-ai",
    "dashscope": "alibaba",
    "cloudflare": "cloudflare-workers-ai",
    "vertex": "google-vertex",
    "bedrock": "amazon-bedrock",
    "llamacpp": "local",
    "airllm": "local",
    # The same firm in China has prices of its own, so models.dev lists it apart.
    "zhipuai": "zhipuai",
}
"""The key in models.dev of a provider that has another name there."""


def own_name(provider: str) -> str:
    """The name of a provider's row; what is no alias stays, in lower case."""
    lower = provider.lower()
    return ALIASES.get(lower, lower)


def catalog_key(provider: str) -> str:
    """The models.dev key of a provider, by its own name, an alias or the key itself."""
    lower = provider.lower()
    own = ALIASES.get(lower, lower)
    # The name as it was given comes first: zhipuai is an alias of zai with prices of its own.
    return _CATALOG_KEYS.get(lower) or _CATALOG_KEYS.get(own, own)
