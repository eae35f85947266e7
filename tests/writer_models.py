"""Small Llamas: with random weights, and with weights that make every next token known."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from writer_tokenizers import small

from workers.training.base import new_llama, save_base
from workers.training.qlora import new_lora, save_lora
from workers.writer.manifest import write_manifest

torch.set_num_threads(1)  # two threads that wait for each other on a busy machine cost more than they bring


def random_llama(vocabulary: int, *, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return new_llama(vocabulary, width=64, layers=2, heads=2).eval()


def following_llama(vocabulary: int, follows: Mapping[int, Sequence[int]]) -> Any:
    """A Llama whose wishes after token ``t`` are ``follows[t]``, best first, whatever stood before.

    The embedding is the identity and the layers add nothing, so the head is the table.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    width = vocabulary + vocabulary % 2
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
            tie_word_embeddings=False,
        )
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "norm" in name else 0.0)
        model.get_input_embeddings().weight[:, :vocabulary] = torch.eye(vocabulary)
        for token, wishes in follows.items():
            for rank, wish in enumerate(wishes):
                model.lm_head.weight[wish, token] = 1.0 - 0.1 * rank
    return model.eval()


def save_model(directory: Path, *, seed: int = 0) -> Path:
    """A whole model directory: random base, random LoRA adapter over it in NF4, manifest."""
    tokenizer = small()
    save_base(random_llama(len(tokenizer), seed=seed), tokenizer, directory / "base")
    lora = new_lora(directory / "base", rank=4)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in lora.named_parameters():
            if "lora_B" in name:  # zero when fresh, and then the LoRA adapter would say nothing
                parameter.normal_(std=0.05)
    save_lora(lora, directory / "lora")
    write_manifest(directory, name="random", letter_tokens=60, budget=30)
    return directory
