"""Embeddings of handles as sums of what they are made of, while a base is trained.

``[[medication.3.drug]]`` is one token, and there are hundreds like it. Learned one by one, each would have to
find out by itself what a list is. So during training a handle's embedding is its own row plus one vector
each for its kind, its numbers, its leaf and their pairs, which all handles that have them share; at the
end the sums are written out and the model is an ordinary Llama.
"""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils import parametrize

_HANDLE = re.compile(r"\[\[([a-z0-9_.]+)(?::([a-z]+))?\]\]")


def features(token: str) -> tuple[str, ...]:
    """What a handle's token shares with others; nothing for any other token."""
    match = _HANDLE.fullmatch(token)
    if match is None:
        return ()
    parts = match[1].split(".")
    kind, leaf = parts[0], parts[-1]
    numbers = [part for part in parts if part.isdigit()]
    words = [part for part in parts[1:] if not part.isdigit()]
    found = ["handle", f"kind {kind}", f"leaf {leaf}", f"shape {kind} {' '.join(words)}"]
    found += [f"number {place} {number}" for place, number in enumerate(numbers)]
    found += [f"item {kind} {numbers[0]}"] if numbers else []
    found += [f"part {' '.join(parts[2:-1])}"] if len(parts) > 3 else []
    found += [f"form {match[2]}"] if match[2] else []
    return tuple(found)


class _Sum(torch.nn.Module):
    """Rows plus shared vectors. ``incidence``: (tokens, features), 1 where a token has a feature."""

    def __init__(self, incidence: torch.Tensor, width: int, deviation: float) -> None:
        super().__init__()
        self.register_buffer("incidence", incidence)
        self.shared = torch.nn.Parameter(torch.randn(incidence.shape[1], width) * deviation)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        incidence: torch.Tensor = self.incidence
        return rows + incidence @ self.shared


def compose_embeddings(model: Any, tokenizer: Any) -> None:
    """Make the (tied) embedding a sum. Scores must then be computed with :func:`output_weight`."""
    names = [features(token) for token in _tokens(tokenizer, model.config.vocab_size)]
    known = {name: place for place, name in enumerate(sorted({each for some in names for each in some}))}
    incidence = torch.zeros(len(names), len(known))
    for row, some in enumerate(names):
        incidence[row, [known[each] for each in some]] = 1.0
    embedding = model.get_input_embeddings()
    parametrize.register_parametrization(
        embedding, "weight", _Sum(incidence, embedding.embedding_dim, model.config.initializer_range)
    )


def output_weight(model: Any) -> torch.Tensor | None:
    """(tokens, width): the summed embedding, which is the output's too; None where it is not composed."""
    embedding = model.get_input_embeddings()
    if not parametrize.is_parametrized(embedding, "weight"):
        return None
    weight: torch.Tensor = embedding.weight
    return weight


def write_out(model: Any) -> None:
    """The sums become ordinary rows, tied as before."""
    embedding = model.get_input_embeddings()
    parametrize.remove_parametrizations(embedding, "weight", leave_parametrized=True)
    model.lm_head.weight = embedding.weight


def _tokens(tokenizer: Any, size: int) -> Sequence[str]:
    tokens = [""] * size
    for token, number in tokenizer.get_vocab().items():
        tokens[number] = token
    return tokens
