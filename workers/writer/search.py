"""The likeliest lawful line: a beam search over one line or sentence, by the model's own probabilities.

Taken where greedy writing came to a handle that the chart lacks. What led there was likely only by way of that
handle; with its probability counted and lost, another wording of the same line is likelier, and the
beam finds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from workers.writer.decoding import Guard, Place
from workers.writer.sentences import start_of_line_or_sentence
from workers.writer.vocabulary import Vocabulary

WIDTH = 4
_LONGEST = 200
"""Tokens in one line at most; a model that writes longer ones is left to its greedy choice."""


@dataclass(frozen=True, kw_only=True)
class _Path:
    """Tokens behind the line's start, where they lead, and the sum of their log-probabilities."""

    ids: tuple[int, ...]
    place: Place
    total: float


def likeliest_line(
    model: Any,
    cache: Any,
    scores: torch.Tensor,
    *,
    written: Sequence[int],
    place: Place,
    guard: Guard,
    vocabulary: Vocabulary,
    limit: int,
) -> tuple[list[int] | None, int]:
    """Tokens of the best line behind ``written``, with the first token of what comes after it, or the end token.

    Args:
        cache: holds the prompt and ``written``, one row; holds the same afterwards.
        scores: (vocabulary,) of the next token.
        written: the letter up to where this line or sentence starts; ``place`` is behind it.
        limit: tokens at most.

    Returns:
        The tokens, None where no line of at most ``limit`` tokens was found; and how many steps it took.
    """
    live, done = [_Path(ids=(), place=place, total=0.0)], []
    length = cache.get_seq_length()
    cache.batch_repeat_interleave(WIDTH)
    rows = scores.unsqueeze(0)
    steps = 0
    for steps in range(1, min(limit, _LONGEST) + 1):  # noqa: B007  # told to the caller
        ahead, parents = [], []
        for total, parent, token in _steps(live, rows, guard, first=not written, end=vocabulary.end):
            path = live[parent]
            if token in vocabulary.end:
                done.append(_Path(ids=(*path.ids, token), place=path.place, total=total))
                continue
            reached = guard.follow(path.place, token)
            if reached is None:
                continue
            longer = _Path(ids=(*path.ids, token), place=reached, total=total)
            if start_of_line_or_sentence([*written, *longer.ids], vocabulary) > len(written):
                done.append(longer)
                continue
            ahead.append(longer)
            parents.append(parent)
            if len(ahead) == WIDTH:
                break
        live = ahead
        if not live or (done and max(path.total for path in done) >= live[0].total):
            break
        spare = WIDTH - len(live)  # the cache keeps its rows; the last path stands in for those that ended
        cache.reorder_cache(torch.tensor(parents + parents[-1:] * spare))
        tokens = [path.ids[-1] for path in live] + [live[-1].ids[-1]] * spare
        rows = _scores(model, tokens, cache)
    cache.batch_select_indices(torch.tensor([0]))
    if grown := cache.get_seq_length() - length:
        cache.crop(-grown)
    return (list(max(done, key=lambda path: path.total).ids) if done else None), steps


def _steps(
    live: Sequence[_Path], rows: torch.Tensor, guard: Guard, *, first: bool, end: frozenset[int]
) -> list[tuple[float, int, int]]:
    """(total, path, token), best first. What is forbidden keeps its share of the probability, and loses it."""
    found = []
    for number, path in enumerate(live):
        mask = guard.allowed(path.place).clone()
        if first and not path.ids:
            mask[list(end)] = False  # nothing is no letter
        best = rows[number].log_softmax(-1).masked_fill(~mask, float("-inf")).topk(min(2 * WIDTH, len(mask)))
        found += [
            (path.total + value, number, token)
            for value, token in zip(best.values.tolist(), best.indices.tolist(), strict=True)
            if value > float("-inf")
        ]
    return sorted(found, reverse=True)


def _scores(model: Any, tokens: Sequence[int], cache: Any) -> torch.Tensor:
    """(rows, vocabulary), on the CPU."""
    device = next(model.parameters()).device
    out = model(
        input_ids=torch.tensor(tokens, device=device).unsqueeze(1),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    scores: torch.Tensor = out.logits[:, -1].float().cpu()
    return scores
