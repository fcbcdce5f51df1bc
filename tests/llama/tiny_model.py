"""A tiny hand-made language model, as arrays: no download, no training.

The vocabulary is the 256 bytes plus ChatML and tool markers. Embeddings are one-hot, so that the
output matrix is a bigram table counted over a few lines of English and JSON: letter soup of
human length, in which a quoted string closes after a few characters and an answer ends by
itself. Under a grammar every answer is short and finished. Three attention heads look for
``<tools>``, ``<tool_response>`` and ``<tool_call>``: with tools and no result yet the model opens
a call, after a result it answers in text, so that a whole tool loop can be run.

Needs numpy. Run as a script, it writes a GGUF file (needs gguf): ``tiny_model.py OUT.gguf``.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np

# ChatML with Hermes-style calls, in the layout that llama.cpp's template analyser knows.
CHATML = r"""{%- if tools %}
{{- '<|im_start|>system\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
{{- '# Tools\n<tools>' }}
{%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\n</tools>\nCall a tool in a tool_call block with its name and arguments.<|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) or (message.role == 'assistant' and not message.tool_calls) %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>' + message.role }}
{%- if message.content %}{{- '\n' + message.content }}{%- endif %}
{%- for tool_call in message.tool_calls %}
{%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
{{- '\n<tool_call>\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""
CORPUS = (
    "the small red boat sails to the north. a man and a woman eat bread at noon. "
    "we saw ten birds on the wall. it is a good day to read. call me at nine. "
    '{"name": "ann lee", "age": 34, "city": "rome", "tags": ["one", "two"], "ok": true} '
    '{"total": 19.5, "items": [{"sku": "ab1", "qty": 2}], "note": null, "paid": false} '
) * 3
MARKERS = (
    ("<|endoftext|>", "CONTROL"),
    ("<|im_start|>", "CONTROL"),
    ("<|im_end|>", "CONTROL"),
    ("<tools>", "USER_DEFINED"),
    ("<tool_call>", "USER_DEFINED"),
    ("</tool_call>", "USER_DEFINED"),
    ("<tool_response>", "USER_DEFINED"),
)
DIM, HEADS, LAYERS, FF, EPS = 288, 4, 1, 32, 1e-5
ROPE_BASE = 1e9  # so large that a head's last pair hardly turns with the position
CONTEXT = 4096
_ALWAYS, _SAW_TOOLS, _SAW_RESULT, _SAW_CALL = 280, 281, 282, 283  # above the one-hot features


def byte_chars() -> dict[int, str]:
    """GPT-2's table from bytes to printable characters."""
    keep = {*range(33, 127), *range(161, 173), *range(174, 256)}
    rest = [b for b in range(256) if b not in keep]
    return {b: chr(b) if b in keep else chr(256 + rest.index(b)) for b in range(256)}


def vocabulary() -> tuple[list[str], list[str], dict[str, int]]:
    """Tokens in the order of their ids, their kinds, and the id of each marker."""
    table = byte_chars()
    named = [*MARKERS, ("th", "NORMAL")]  # "th": one merge, as the tokenizer wants at least one
    tokens = [*(table[b] for b in range(256)), *(text for text, _ in named)]
    kinds = ["NORMAL"] * 256 + [kind for _, kind in named]
    return tokens, kinds, {text: 256 + i for i, (text, _) in enumerate(named)}


def weights() -> dict[str, Any]:
    """Arrays by their GGUF names, without ``.weight``."""
    _, _, ids = vocabulary()
    size = len(MARKERS) + 257
    block = "blk.0."
    found: dict[str, Any] = {
        block + name: np.zeros((DIM, DIM), np.float32)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output")
    }
    found |= {
        block + "attn_norm": np.ones(DIM, np.float32),
        block + "ffn_norm": np.ones(DIM, np.float32),
        block + "ffn_gate": np.zeros((FF, DIM), np.float32),
        block + "ffn_up": np.zeros((FF, DIM), np.float32),
        block + "ffn_down": np.zeros((DIM, FF), np.float32),
    }
    embedding = np.zeros((size, DIM), np.float32)
    embedding[np.arange(size), np.arange(size)] = 1.0
    embedding[:, _ALWAYS] = 1.0
    looked_for = (
        ("<tools>", _SAW_TOOLS),
        ("<tool_response>", _SAW_RESULT),
        ("<tool_call>", _SAW_CALL),
    )
    width = DIM // HEADS
    for head, (marker, feature) in enumerate(looked_for):
        last = head * width + width - 1
        found[block + "attn_q"][last, _ALWAYS] = 2.0
        found[block + "attn_k"][last, ids[marker]] = 2.0
        found[block + "attn_v"][head * width, ids[marker]] = 1.0
        found[block + "attn_output"][feature, head * width] = 1.0 / 12
    output = np.zeros((size, DIM), np.float32)
    output[:, :size] = _bigrams(size, ids).T / 12  # the norm makes a one-hot about 12
    output[ids["<tool_call>"], _SAW_TOOLS] = output[ids["</tool_call>"], _SAW_TOOLS] = 22.0 / 12
    output[ids["</tool_call>"], _SAW_RESULT] = output[ids["<tool_call>"], _SAW_RESULT] = -60.0 / 12
    output[ids["<tool_call>"], _SAW_CALL] = -60.0 / 12
    return found | {
        "token_embd": embedding,
        "output": output,
        "output_norm": np.ones(DIM, np.float32),
    }


def _bigrams(size: int, ids: dict[str, int]) -> Any:
    """Log odds ``[previous, next]``, mended so that strings, numbers, objects and answers end."""
    counts = np.full((256, 256), 0.002)
    data = CORPUS.encode()
    for one, two in pairwise(data):
        counts[one, two] += 1
    odds = np.full((size, size), -9.0)
    odds[:256, :256] = np.log(counts / counts.sum(1, keepdims=True))
    odds[:, 127:256] = odds[:, :32] = -16.0  # plain ASCII
    odds[:, ord("\\")] = -12.0
    letters, digits = [*range(97, 123)], [*range(48, 58)]

    def at_least(before: list[int], after: str, value: float) -> None:
        place = np.ix_(before, [ord(after)])
        odds[place] = np.maximum(odds[place], value)

    at_least(letters, '"', -1.6)
    for after, value in ((",", -2.5), ("}", -3.0), ("]", -3.0)):
        at_least(digits, after, value)
    for after, value in (("}", -4.0), ("]", -5.0)):
        at_least([ord(c) for c in '"]}el'], after, value)
    odds[256:, letters] = -2.0
    odds[ord("\n"), :] = -9.0
    odds[ord("\n"), letters] = -2.0
    odds[:, 256:] = -45.0
    for before, value in ((".", 3.0), ("}", 2.0), ("]", 1.0), (">", 9.0)):
        odds[ord(before), ids["<|im_end|>"]] = value
    odds[ids["</tool_call>"], ids["<|im_end|>"]] = 9.0
    odds[ord("\n"), ids["<tool_call>"]] = -8.0
    odds[ids["<tool_call>"], ord("\n")] = 9.0
    odds[ord("\n"), ord("{")] = 0.0
    odds[ord("}"), ids["</tool_call>"]] = -8.0
    return odds


def write_gguf(path: str) -> None:
    """About 2 MB; llama.cpp loads it at once."""
    import gguf

    tokens, kinds, ids = vocabulary()
    out = gguf.GGUFWriter(path, "llama")
    out.add_name("tiny")
    out.add_file_type(0)
    out.add_vocab_size(len(tokens))
    out.add_context_length(CONTEXT)
    out.add_embedding_length(DIM)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(FF)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_rope_dimension_count(DIM // HEADS)
    out.add_rope_freq_base(ROPE_BASE)
    out.add_layer_norm_rms_eps(EPS)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(tokens)
    out.add_token_types([getattr(gguf.TokenType, kind) for kind in kinds])
    out.add_token_merges(["t h"])
    out.add_bos_token_id(ids["<|endoftext|>"])
    out.add_eos_token_id(ids["<|im_end|>"])
    out.add_pad_token_id(ids["<|endoftext|>"])
    out.add_add_bos_token(False)
    out.add_chat_template(CHATML)
    for name, value in weights().items():
        out.add_tensor(name + ".weight", value)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    write_gguf(sys.argv[1])
