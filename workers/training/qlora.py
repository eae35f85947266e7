"""A LoRA adapter over a base in NF4 (Dettmers et al. 2023): all linear layers, and the embedding."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from workers.training.augment import STYLE_VARIATION
from workers.training.base import CONTEXT, Report, run_steps
from workers.training.dataset import Source, batches
from workers.training.optimiser import Budget
from workers.writer.quantised import keep_weights_unpacked, load_quantised

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def new_lora(base: Path, *, rank: int = 32, embedding: bool = True) -> Any:
    """The base in NF4, frozen, with a fresh LoRA adapter.

    Args:
        embedding: train the (tied) embedding too; a second style needs words that the first never used.

    Raises:
        ModelUnavailable: the base cannot be read.
    """
    from peft import LoraConfig, get_peft_model

    model = load_quantised(base)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    attached = get_peft_model(
        model,
        LoraConfig(
            r=rank,
            lora_alpha=2 * rank,
            lora_dropout=0.0,
            target_modules=list(LINEAR),
            trainable_token_indices={"embed_tokens": list(range(model.config.vocab_size))} if embedding else None,
            task_type="CAUSAL_LM",
        ),
    )
    keep_weights_unpacked(attached)
    return attached


def train_lora(
    model: Any,
    source: Source,
    styles: Sequence[str],
    tokenizer: Any,
    *,
    budget: Budget,
    seed: int,
    tokens: int = 4096,
    lr: float = 2e-3,
    report: Report,
) -> int:
    """Train in place with AdamW; returns the tokens seen."""
    lora = [p for n, p in model.named_parameters() if p.requires_grad and "lora_" in n]
    rest = [p for n, p in model.named_parameters() if p.requires_grad and "lora_" not in n]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            [{"params": lora, "lr": lr}, *([{"params": rest, "lr": lr}] if rest else [])],
            betas=(0.9, 0.98),
            weight_decay=0.0,
        )
    ]
    stream = batches(
        source, styles, tokenizer, random.Random(seed), tokens=tokens, most=CONTEXT, variation=STYLE_VARIATION
    )
    return run_steps(model, optimisers, stream, budget=budget, report=report)


def save_lora(model: Any, directory: Path) -> None:
    """PEFT layout, bfloat16, safetensors; no path of this machine in its configuration."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().to(torch.bfloat16).contiguous()
        for name, tensor in get_peft_model_state_dict(model).items()
    }
    save_file(state, str(directory / "adapter_model.safetensors"), metadata={"format": "pt"})
    config = model.peft_config["default"]
    config.base_model_name_or_path = "../base"
    config.inference_mode = True
    config.save_pretrained(str(directory))
