"""Greedy writing under strict decoding, with a cache, and a way back.

Where the model's own choice is a handle that the chart lacks, the next best handle would state a
fact twice or in the wrong place. So the line or sentence begun is written anew, as the likeliest of those
that the chart allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from workers.writer.decoding import Guard, Place
from workers.writer.search import likeliest_line
from workers.writer.sentences import start_of_line_or_sentence
from workers.writer.vocabulary import Vocabulary

_SEARCHED = 1_000
"""Tokens of lines written anew in one letter at most: about what a letter has. Then the best lawful token is
taken, for a model out of its depth would cost minutes."""


@dataclass
class _Draft:
    ids: list[int] = field(default_factory=list)
    places: list[Place] = field(default_factory=lambda: [Place()])

    def cut(self, keep: int) -> None:
        del self.ids[keep:]
        del self.places[keep + 1 :]


@torch.inference_mode()
def write_greedily(
    model: Any, prompt: Sequence[int], guard: Guard, vocabulary: Vocabulary, *, limit: int
) -> tuple[list[int], bool]:
    """Token ids of the letter, and whether the model ended it itself.

    A letter cut off at ``limit`` ends at its last lawful place, never within a handle.
    """
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    first = scores = _scores(model, prompt, cache)
    draft = _Draft()
    searched = 0
    while len(draft.ids) < limit:
        place = draft.places[-1]
        allowed = guard.allowed(place)
        own = int(scores.argmax())
        chosen = None
        if not allowed[own] and searched < _SEARCHED and guard.asks_absent_handle(place, own):
            scores = _back_to_start(model, cache, first, draft, vocabulary)
            chosen, steps = likeliest_line(
                model,
                cache,
                scores,
                written=draft.ids,
                place=draft.places[-1],
                guard=guard,
                vocabulary=vocabulary,
                limit=min(limit - len(draft.ids), _SEARCHED - searched),
            )
            searched += steps
        for token in chosen or [_best(scores, guard.allowed(draft.places[-1]), draft, vocabulary)]:
            if token in vocabulary.end:
                return draft.ids, True
            reached = guard.follow(draft.places[-1], token)
            if reached is None:
                return _ended(draft, guard), False
            draft.ids.append(token)
            draft.places.append(reached)
        scores = _scores(model, draft.ids[-len(chosen or (0,)) :], cache)
    return _ended(draft, guard), False


def _ended(draft: _Draft, guard: Guard) -> list[int]:
    while draft.ids and not guard.may_end(draft.places[-1]):
        draft.cut(len(draft.ids) - 1)
    return draft.ids


def _scores(model: Any, ids: Sequence[int], cache: Any) -> torch.Tensor:
    """Scores of the next token, on the CPU, after these ids went through the model."""
    device = next(model.parameters()).device
    out = model(
        input_ids=torch.tensor([list(ids)], device=device), past_key_values=cache, use_cache=True, logits_to_keep=1
    )
    scores: torch.Tensor = out.logits[0, -1].float().cpu()
    return scores


def _back_to_start(model: Any, cache: Any, first: torch.Tensor, draft: _Draft, vocabulary: Vocabulary) -> torch.Tensor:
    """Cut draft and cache to where this line or sentence starts; the scores there."""
    written = len(draft.ids)
    start = start_of_line_or_sentence(draft.ids, vocabulary)
    # the last token that stays goes through the model again, for its scores
    if removed := written - max(start - 1, 0):
        cache.crop(-removed)
    draft.cut(start)
    return first if start == 0 else _scores(model, draft.ids[-1:], cache)


def _best(scores: torch.Tensor, allowed: torch.Tensor, draft: _Draft, vocabulary: Vocabulary) -> int:
    mask = allowed
    if not draft.ids:
        mask = allowed.clone()
        mask[list(vocabulary.end)] = False  # nothing is no letter
    return int(scores.masked_fill(~mask, float("-inf")).argmax())
