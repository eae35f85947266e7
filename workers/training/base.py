"""A small Llama from scratch, on the prose of other institutions than the demonstration's."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from workers.training.composed import compose_embeddings, output_weight, write_out
from workers.training.dataset import Batch, Source, batches
from workers.training.optimiser import Budget, Muon, rate, set_rate

CONTEXT = 2048
_ONLY_FEW, _MOSTLY_FEW = 0.5, 0.7
"""Up to which progress all charts, then most, have few facts."""
Report = Callable[[float, float, int], None]
"""Called after each step with progress from 0 to 1, the loss (mean nats a letter token), and tokens seen."""


def new_llama(vocabulary: int, *, width: int = 256, layers: int = 4, heads: int = 8, end: int = 1, pad: int = 0) -> Any:
    """Random weights: 3.7 M parameters with the default sizes and a vocabulary of 2,048."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=width * 11 // 4,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=end,
            pad_token_id=pad,
        )
    )


def letter_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy (nats) of the letters' tokens. Scores are computed for those positions only."""
    mask = torch.zeros(batch.mask.shape).masked_fill_(~batch.mask, torch.finfo(torch.float32).min)
    # A padded position attends to itself alone, so that no row of the softmax is empty.
    decoder = model.get_decoder()
    hidden = decoder(input_ids=batch.ids, attention_mask=mask, position_ids=batch.positions, use_cache=False)
    wanted, at = next_tokens(batch)
    return torch.nn.functional.cross_entropy(scores_of(model, hidden.last_hidden_state[at]).float(), wanted)


def scores_of(model: Any, hidden: torch.Tensor) -> torch.Tensor:
    """(n, vocabulary): by the composed embedding while there is one, else by the model's own head."""
    weight = output_weight(model)
    return model.lm_head(hidden) if weight is None else hidden @ weight.T


def next_tokens(batch: Batch) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """What to predict and from where: (n,) token ids, and (rows, columns) of the tokens before them.

    A letter's first token is predicted from the prompt's last, wherever in the row the letter lies.
    """
    rows, columns = (batch.labels >= 0).nonzero(as_tuple=True)
    before = columns - 1
    starts = batch.positions[rows, columns] != batch.positions[rows, before] + 1
    # positions grow by one within a part, and go back to the prompt's end where another letter begins
    before = torch.where(starts, batch.positions[rows, columns] - 1, before)
    return batch.labels[rows, columns], (rows, before)


def train_base(
    model: Any,
    source: Source,
    styles: Sequence[str],
    tokenizer: Any,
    *,
    budget: Budget,
    seed: int,
    tokens: int = 4096,
    lr: float = 0.006,
    report: Report,
    checkpoint: Path | None = None,
    checkpoint_every: int = 200,
) -> int:
    """Train in place; returns the tokens seen (prompts, letters and padding)."""
    rng = random.Random(seed)
    compose_embeddings(model, tokenizer)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    optimisers = [Muon(matrices, lr=lr), torch.optim.AdamW(others, lr=lr * 2 / 3, betas=(0.9, 0.95), weight_decay=0.0)]
    done = 0.0

    def share_of_few() -> float:
        return 1.0 if done < _ONLY_FEW else 0.6 if done < _MOSTLY_FEW else 0.3

    def watch(progress: float, loss: float, seen: int) -> None:
        nonlocal done
        done = progress
        report(progress, loss, seen)

    seen = run_steps(
        model,
        optimisers,
        batches(source, styles, tokenizer, rng, tokens=tokens, most=CONTEXT, share_of_few=share_of_few),
        budget=budget,
        report=watch,
        save=(lambda: save_base(model, tokenizer, checkpoint)) if checkpoint else None,
        save_every=checkpoint_every,
    )
    write_out(model)
    return seen


def run_steps(
    model: Any,
    optimisers: Sequence[torch.optim.Optimizer],
    stream: Any,
    *,
    budget: Budget,
    report: Report,
    save: Callable[[], None] | None = None,
    save_every: int = 200,
) -> int:
    """The loop that base and LoRA adapter share; returns the tokens seen."""
    model.train()
    step, seen = 0, 0
    while (progress := budget.progress(step)) < 1.0:
        set_rate(optimisers, rate(progress))
        batch = next(stream)
        loss = letter_loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        for optimiser in optimisers:
            optimiser.step()
        model.zero_grad(set_to_none=True)
        step += 1
        seen += batch.ids.numel()
        report(budget.progress(step), float(loss.detach()), seen)
        if save and step % save_every == 0:
            save()
    return seen


def save_base(model: Any, tokenizer: Any, directory: Path) -> None:
    """Hugging Face layout, bfloat16, safetensors; the model in memory stays as it is."""
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    config = model.config.to_dict() | {"dtype": "bfloat16", "architectures": ["LlamaForCausalLM"]}
    type(model.config).from_dict(config).save_pretrained(str(directory))
    tokenizer.save_pretrained(str(directory))
    state = {
        name: tensor.detach().to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight" and "embed_tokens" not in name  # the head is tied to the embedding
    }
    embedding = model.get_input_embeddings().weight  # summed, where it is composed
    state["model.embed_tokens.weight"] = embedding.detach().to(torch.bfloat16).contiguous()
    save_file(state, str(directory / "model.safetensors"), metadata={"format": "pt"})
