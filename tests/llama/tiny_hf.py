"""The tiny model as a Hugging Face folder: ``tiny_hf.py FOLDER``. Needs torch, transformers,
tokenizers and safetensors; see ``tiny_model`` for what the model is."""

from __future__ import annotations

import sys

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.llama import tiny_model as tiny

LAYER = "model.layers.0."
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "blk.0.attn_norm": LAYER + "input_layernorm",
    "blk.0.ffn_norm": LAYER + "post_attention_layernorm",
    "blk.0.attn_q": LAYER + "self_attn.q_proj",
    "blk.0.attn_k": LAYER + "self_attn.k_proj",
    "blk.0.attn_v": LAYER + "self_attn.v_proj",
    "blk.0.attn_output": LAYER + "self_attn.o_proj",
    "blk.0.ffn_gate": LAYER + "mlp.gate_proj",
    "blk.0.ffn_up": LAYER + "mlp.up_proj",
    "blk.0.ffn_down": LAYER + "mlp.down_proj",
}


def write_folder(folder: str) -> None:
    tokens, _, ids = tiny.vocabulary()
    plain = Tokenizer(
        models.BPE(vocab={text: i for i, text in enumerate(tokens)}, merges=[("t", "h")])
    )
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    for text, kind in tiny.MARKERS:
        special = kind == "CONTROL"
        add = plain.add_special_tokens if special else plain.add_tokens
        add([AddedToken(text, normalized=False, special=special)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain,
        bos_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=tiny.CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = tiny.CHATML
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=tiny.DIM,
        intermediate_size=tiny.FF,
        num_hidden_layers=tiny.LAYERS,
        num_attention_heads=tiny.HEADS,
        num_key_value_heads=tiny.HEADS,
        max_position_embeddings=tiny.CONTEXT,
        rms_norm_eps=tiny.EPS,
        rope_theta=tiny.ROPE_BASE,
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|im_end|>"],
        pad_token_id=ids["<|endoftext|>"],
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    state = {NAMES[k] + ".weight": torch.from_numpy(v) for k, v in tiny.weights().items()}
    model.load_state_dict(state, strict=True)
    model.generation_config.do_sample = False
    model.save_pretrained(folder)


if __name__ == "__main__":
    write_folder(sys.argv[1])
