"""Holding a Hugging Face model to a grammar while it writes, through llguidance."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from prompture.errors import MissingExtra, SchemaError
from prompture.types import JSON, Tool

# Free white space would let a weak model fill the answer with it.
_SPACING: JSON = {
    "x-guidance": {
        "whitespace_flexible": False,
        "item_separator": ", ",
        "key_separator": ": ",
    }
}


def json_grammar(schema: JSON) -> str:
    """A grammar of the JSON values that are valid under a schema, on one line."""
    from llguidance import LLMatcher

    grammar: str = LLMatcher.grammar_from_json_schema(json.dumps({**_SPACING, **schema}))
    return grammar


def call_grammar(tools: Sequence[Tool], *, parallel: bool, whole: Collection[str]) -> str:
    """A grammar of at least one tool call in the format of ``codecs.prompted_calls``.

    ``whole`` are the texts that the model's vocabulary has as one added token: such a tag is
    written as that token, and otherwise in letters.
    """
    from llguidance import LLMatcher

    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool.name}, "arguments": tool.parameters},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    rules = [f"call{i}: %json {json.dumps({**_SPACING, **c})}" for i, c in enumerate(calls)]
    one = " | ".join(f"call{i}" for i in range(len(calls)))
    tags = ("<tool_call>", "</tool_call>")
    opening, closing = (tag if tag in whole else f'"{tag}"' for tag in tags)
    block = f"{opening} ({one}) {closing}"
    start = f'start: {block} ("\\n" {block})*' if parallel else f"start: {block}"
    grammar: str = LLMatcher.grammar_from_lark("\n".join([start, *rules]))
    return grammar


def matcher_tokenizer(tokenizer: Any, *, vocabulary: int) -> Any:
    """The tokenizer as llguidance needs it; takes about a second, so make it once.

    ``vocabulary`` is the width of the model's logits. Raises MissingExtra.
    """
    try:
        from llguidance.hf import from_tokenizer
    except ImportError as exc:
        raise MissingExtra(extra="airllm", package="llguidance") from exc
    return from_tokenizer(tokenizer, n_vocab=vocabulary)


def processor(grammar: str, tokenizer: Any, *, prompt_tokens: int) -> Any:
    """A transformers LogitsProcessor for one generation of one sequence.

    Raises SchemaError where llguidance cannot make a grammar of the schema.
    """
    import torch
    from llguidance import LLMatcher
    from transformers import LogitsProcessor

    if problem := LLMatcher.validate_grammar(grammar, tokenizer):
        raise SchemaError(f"airllm: llguidance cannot hold a model to this schema: {problem[:300]}")
    matcher = LLMatcher(tokenizer, grammar, log_level=0)

    class Grammar(LogitsProcessor):  # type: ignore[misc]
        """Rules out every token that the grammar does not allow next."""

        read = prompt_tokens

        def __call__(self, ids: Any, scores: Any) -> Any:
            for token in ids[0, self.read :].tolist():
                if not matcher.consume_token(token):
                    first, *_ = matcher.get_error().splitlines()
                    raise SchemaError(f"airllm: the grammar broke off: {first[:300]}")
            self.read = ids.shape[1]
            allowed = torch.frombuffer(bytearray(matcher.compute_logit_bias()), dtype=torch.uint8)
            mask = torch.zeros(scores.shape[-1], dtype=torch.bool)
            width = min(len(allowed), len(mask))
            mask[:width] = allowed[:width] > 0
            return scores.masked_fill(~mask.to(scores.device), float("-inf"))

    return Grammar()
