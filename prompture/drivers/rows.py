"""Providers whose wire is OpenAI's Chat Completions: one row each, with its peculiarities.

Providers that speak a format of their own are in ``own_rows``; those that need code have a module each.
``registry.BUILTIN`` names every row; its driver classes are made when they are first asked for.
"""

from __future__ import annotations

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.codecs.openai_compatible_quirks import (
    dashscope_rule,
    deepseek_rule,
    groq_narrow,
    groq_rule,
    mistral_rule,
    modelscope_rule,
    moonshot_rule,
    openrouter_rule,
    xai_rule,
    zai_narrow,
    zai_rule,
)
from prompture.codecs.openai_models import chat_rule, needed_api, openai_narrow
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.drivers.provider import Features, Provider

OPENAI = Provider(
    name="openai",
    title="OpenAI",
    codec=OpenAIChat(
        tokens_param="max_completion_tokens",
        strict_tools=True,
        files="data",
        metadata=True,
        stop_max=4,
        rule=chat_rule,
    ),
    codecs={"responses": OpenAIResponses()},
    route=needed_api,
    base_url="https://api.openai.com/v1",
    key_env=("OPENAI_API_KEY",),
    url_env=("OPENAI_BASE_URL",),
    default_model="gpt-5-mini",
    catalog="openai",
    json_word=True,
    features=Features(vision=True, files=True, one_call=True),
    narrow=openai_narrow,
    docs="https://platform.openai.com/docs/api-reference/chat",
)

GROQ = Provider(
    name="groq",
    title="Groq",
    codec=OpenAIChat(
        root="/openai/v1",
        tokens_param="max_completion_tokens",
        # Usage comes unasked, under ``x_groq``.
        stream_usage=False,
        logprobs=False,
        rule=groq_rule,
        quirks=Quirks(think_tags=True),
    ),
    base_url="https://api.groq.com/openai/v1",
    key_env=("GROQ_API_KEY",),
    url_env=("GROQ_BASE_URL",),
    default_model="openai/gpt-oss-20b",
    catalog="groq",
    json_word=True,
    # Structured outputs take no tools.
    features=Features(vision=True, schema_with_tools=False, schema_dialect="groq", one_call=True),
    narrow=groq_narrow,
    docs="https://console.groq.com/docs/api-reference",
)

GROK = Provider(
    name="grok",
    title="xAI Grok",
    codec=OpenAIChat(rule=xai_rule, quirks=Quirks(reasoning_apart=True)),
    codecs={"responses": OpenAIResponses()},
    base_url="https://api.x.ai/v1",
    key_env=("XAI_API_KEY", "GROK_API_KEY"),
    url_env=("XAI_BASE_URL",),
    default_model="grok-4.3",
    catalog="xai",
    features=Features(vision=True, schema_dialect="xai", one_call=True),
    docs="https://docs.x.ai/docs/api-reference",
)

MOONSHOT = Provider(
    name="moonshot",
    title="Moonshot (Kimi)",
    codec=OpenAIChat(
        # A call cannot be forced, and images go as bytes only.
        tool_choice="auto",
        image_urls=False,
        text_only=True,
        reasoning="thinking",
        echo=("reasoning_content",),
        # A turn with calls is refused without it, even where nothing was thought.
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

ZAI = Provider(
    name="zai",
    title="Z.ai (GLM)",
    codec=OpenAIChat(
        root="/api/paas/v4",
        # A call cannot be forced; only one stop word is taken.
        tool_choice="auto",
        parallel_param=False,
        reasoning="thinking",
        echo=("reasoning_content",),
        logprobs=False,
        stop_max=1,
        rule=zai_rule,
    ),
    base_url="https://api.z.ai/api/paas/v4",
    key_env=("ZAI_API_KEY", "ZHIPU_API_KEY"),
    url_env=("ZAI_BASE_URL", "ZHIPU_ENDPOINT"),
    default_model="glm-5",
    catalog="zai",
    features=Features(vision=True, forced_tool=False, schema_dialect="openai-compatible"),
    narrow=zai_narrow,
    docs="https://docs.z.ai/api-reference/llm/chat-completion",
)

MODELSCOPE = Provider(
    name="modelscope",
    title="ModelScope",
    codec=OpenAIChat(text_only=True, tool_choice="auto", rule=modelscope_rule),
    base_url="https://api-inference.modelscope.cn/v1",
    key_env=("MODELSCOPE_API_KEY", "MODELSCOPE_API_TOKEN", "MODELSCOPE_SDK_TOKEN"),
    shared_env=("MODELSCOPE_API_TOKEN", "MODELSCOPE_SDK_TOKEN"),  # of the hub
    url_env=("MODELSCOPE_BASE_URL",),
    default_model="Qwen/Qwen3-235B-A22B-Instruct-2507",
    catalog="modelscope",
    # A schema is enforced by some backends only, and refused by others.
    features=Features(json_schema=False, vision=True, forced_tool=False),
    docs="https://modelscope.cn/docs/model-service/API-Inference/intro",
)

OPENROUTER = Provider(
    name="openrouter",
    title="OpenRouter",
    codec=OpenAIChat(
        root="/api/v1",
        strict_tools=True,
        files="url",
        reasoning="object",
        echo=("reasoning", "reasoning_details"),
        cache_blocks=True,
        metadata=True,
        # It holds preferences: the rule's and the caller's add up.
        merged=("provider",),
        rule=openrouter_rule,
    ),
    codecs={"responses": OpenAIResponses()},
    base_url="https://openrouter.ai/api/v1",
    key_env=("OPENROUTER_API_KEY",),
    url_env=("OPENROUTER_BASE_URL",),
    default_model="openai/gpt-5-mini",
    catalog="openrouter",
    # Its models are listed to anybody.
    key_check="/key",
    features=Features(vision=True, files=True, one_call=True),
    docs="https://openrouter.ai/docs/api-reference/overview",
)

MISTRAL = Provider(
    name="mistral",
    title="Mistral",
    codec=OpenAIChat(
        seed_param="random_seed",
        strict_tools=True,
        stream_usage=False,
        files="document_url",
        # A thinking model's content is a list of chunks, which go back as they came.
        echo=("content",),
        names=True,
        metadata=True,
        rule=mistral_rule,
    ),
    base_url="https://api.mistral.ai/v1",
    key_env=("MISTRAL_API_KEY",),
    url_env=("MISTRAL_BASE_URL",),
    default_model="mistral-small-latest",
    catalog="mistral",
    features=Features(vision=True, files=True, schema_dialect="mistral", one_call=True),
    docs="https://docs.mistral.ai/api/",
)

DEEPSEEK = Provider(
    name="deepseek",
    title="DeepSeek",
    codec=OpenAIChat(
        root="",
        text_only=True,
        tool_choice="auto",
        reasoning="thinking",
        echo=("reasoning_content",),
        echo_blank="reasoning_content",
        rule=deepseek_rule,
    ),
    base_url="https://api.deepseek.com",
    key_env=("DEEPSEEK_API_KEY",),
    url_env=("DEEPSEEK_BASE_URL",),
    default_model="deepseek-v4-flash",
    catalog="deepseek",
    json_word=True,
    # JSON mode is all there is: no schemas, and no call can be forced.
    features=Features(json_schema=False, forced_tool=False, schema_dialect="deepseek"),
    docs="https://api-docs.deepseek.com/api/create-chat-completion",
)

TOGETHER = Provider(
    name="together",
    title="Together AI",
    codec=OpenAIChat(),
    base_url="https://api.together.xyz/v1",
    key_env=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY"),
    url_env=("TOGETHER_BASE_URL",),
    default_model="openai/gpt-oss-20b",
    catalog="togetherai",
    features=Features(vision=True, schema_dialect="openai-compatible"),
    docs="https://docs.together.ai/reference/chat-completions-1",
)

FIREWORKS = Provider(
    name="fireworks",
    title="Fireworks AI",
    codec=OpenAIChat(root="/inference/v1", echo=("reasoning_content",)),
    base_url="https://api.fireworks.ai/inference/v1",
    key_env=("FIREWORKS_API_KEY",),
    url_env=("FIREWORKS_BASE_URL",),
    default_model="accounts/fireworks/models/gpt-oss-20b",
    catalog="fireworks-ai",
    features=Features(vision=True, schema_dialect="openai-compatible", one_call=True),
    docs="https://docs.fireworks.ai/api-reference/post-chatcompletions",
)

CEREBRAS = Provider(
    name="cerebras",
    title="Cerebras",
    codec=OpenAIChat(tokens_param="max_completion_tokens", echo=("reasoning",)),
    base_url="https://api.cerebras.ai/v1",
    key_env=("CEREBRAS_API_KEY",),
    url_env=("CEREBRAS_BASE_URL",),
    default_model="gpt-oss-120b",
    catalog="cerebras",
    features=Features(schema_with_tools=False),
    docs="https://inference-docs.cerebras.ai/api-reference/chat-completions",
)

PERPLEXITY = Provider(
    name="perplexity",
    title="Perplexity",
    codec=OpenAIChat(root="", json_object=False, logprobs=False),
    base_url="https://api.perplexity.ai",
    key_env=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
    url_env=("PERPLEXITY_BASE_URL",),
    default_model="sonar",
    catalog="perplexity",
    features=Features(
        json_mode=False, tool_use=False, vision=True, schema_dialect="openai-compatible"
    ),
    docs="https://docs.perplexity.ai/api-reference/chat-completions-post",
)

HUGGINGFACE = Provider(
    name="huggingface",
    title="Hugging Face",
    codec=OpenAIChat(quirks=Quirks(think_tags=True)),
    base_url="https://router.huggingface.co/v1",
    key_env=("HF_TOKEN", "HUGGINGFACE_API_KEY", "HUGGING_FACE_HUB_TOKEN"),
    shared_env=("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
    url_env=("HF_INFERENCE_BASE_URL",),  # HF_ENDPOINT is the hub's, or a mirror of it
    default_model="deepseek-ai/DeepSeek-V3.2",
    catalog="huggingface",
    # The router lists its models to anybody; the hub knows the key.
    key_check="https://huggingface.co/api/whoami-v2",
    features=Features(vision=True, schema_dialect="openai-compatible"),
    docs="https://huggingface.co/docs/inference-providers/tasks/chat-completion",
)

DASHSCOPE = Provider(
    name="dashscope",
    title="DashScope (Qwen)",
    codec=OpenAIChat(root="/compatible-mode/v1", cache_blocks=True, rule=dashscope_rule),
    base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    key_env=("DASHSCOPE_API_KEY",),
    url_env=("DASHSCOPE_BASE_URL",),
    default_model="qwen3.6-flash",
    catalog="alibaba",
    json_word=True,
    features=Features(json_schema=False, vision=True, schema_dialect="openai-compatible"),
    docs="https://www.alibabacloud.com/help/en/model-studio/qwen-api-reference",
)

MINIMAX = Provider(
    name="minimax",
    title="MiniMax",
    codec=OpenAIChat(
        tokens_param="max_completion_tokens",
        tool_choice="auto",
        reasoning="",
        # A thinking model that calls tools needs its thoughts back, whole.
        echo=("reasoning_details",),
    ),
    base_url="https://api.minimax.io/v1",
    key_env=("MINIMAX_API_KEY",),
    url_env=("MINIMAX_BASE_URL",),
    default_model="MiniMax-M2.7",
    catalog="minimax",
    features=Features(json_schema=False, vision=True, forced_tool=False),
    docs="https://platform.minimax.io/docs/api-reference/text-openai-api",
)

VOLCENGINE = Provider(
    name="volcengine",
    title="Volcengine Ark",
    codec=OpenAIChat(root="/api/v3", reasoning="thinking", echo=("reasoning_content",)),
    codecs={"responses": OpenAIResponses()},
    base_url="https://ark.cn-beijing.volces.com/api/v3",
    key_env=("ARK_API_KEY", "VOLCENGINE_API_KEY"),
    url_env=("ARK_BASE_URL",),
    default_model="doubao-seed-1-6",
    features=Features(vision=True, schema_dialect="openai-compatible"),
    docs="https://www.volcengine.com/docs/82379/1494384",
)

CLOUDFLARE = Provider(
    name="cloudflare",
    title="Cloudflare Workers AI",
    codec=OpenAIChat(root="", reasoning=""),
    base_url="https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
    key_env=("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"),
    shared_env=("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"),
    options={"account": None},
    option_env={"account": ("CLOUDFLARE_ACCOUNT_ID",)},
    default_model="@cf/openai/gpt-oss-20b",
    catalog="cloudflare-workers-ai",
    features=Features(vision=True, schema_dialect="openai-compatible"),
    docs="https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/",
)
