"""Greedy writing under strict decoding, with a cache, and a way back.

Where the model's own choice is a handle that the chart lacks, the next best handle would state a
fact twice or in the wrong place. So the model goes back to the choice behind the last handle of which it
was least sure, and takes its second; where that does not help, the line or sentence begun is taken back
and ended there.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch

from workers.writer.decoding import Guard, Place
from workers.writer.vocabulary import Vocabulary

_TRIES = 2
"""How often a choice behind one handle is doubted, and a sentence begun anew before its paragraph ends."""
_WAYS_BACK = 40
"""Rollbacks in one letter at most; then the best lawful token is taken, so that writing always ends."""
_SENTENCE_END = re.compile(r"(?:[^\W\d_]{5}|[\]%)])[.!?]\Z")
"""Before a full stop five letters or a bracket: no abbreviation."""
_LOOK_BACK = 32
"""Bytes that hold what the pattern above needs."""


@dataclass
class _Draft:
    ids: list[int] = field(default_factory=list)
    places: list[Place] = field(default_factory=lambda: [Place()])
    margins: list[float] = field(default_factory=list)
    banned: dict[int, set[int]] = field(default_factory=dict)
    tried: Counter[int] = field(default_factory=Counter)
    doubted: Counter[int] = field(default_factory=Counter)
    ending: set[int] = field(default_factory=set)

    @property
    def ways_back(self) -> int:
        return self.tried.total() + self.doubted.total()


@torch.inference_mode()
def write_greedily(
    model: Any, prompt: Sequence[int], guard: Guard, vocabulary: Vocabulary, *, limit: int
) -> tuple[list[int], bool]:
    """Token ids of the letter, and whether the model ended it itself.

    A letter cut off at ``limit`` ends at its last lawful place, never within a handle.
    """
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    first = _scores(model, prompt, cache)
    draft = _Draft()
    scores = first
    line_breaks = _starting_with(vocabulary, b"\n")
    while len(draft.ids) < limit:
        allowed = guard.allowed(draft.places[-1])
        own = int(scores.argmax())
        lawful = bool(allowed[own])
        if not lawful and draft.ways_back < _WAYS_BACK and guard.asks_absent_handle(draft.places[-1], own):
            written = len(draft.ids)
            cut = _take_back(draft, vocabulary)
            # the last token that stays goes through the model again, for its scores
            if removed := written - max(cut - 1, 0):
                cache.crop(-removed)
            scores = first if cut == 0 else _scores(model, draft.ids[-1:], cache)
            continue
        token, margin = _choose(scores, allowed, draft, line_breaks, vocabulary)
        if token in vocabulary.end:
            return draft.ids, True
        place = guard.follow(draft.places[-1], token)
        if place is None:
            break
        draft.ids.append(token)
        draft.places.append(place)
        draft.margins.append(margin)
        scores = _scores(model, [token], cache)
    while draft.ids and not guard.may_end(draft.places[-1]):
        draft.ids.pop()
        draft.places.pop()
    return draft.ids, False


def _scores(model: Any, ids: Sequence[int], cache: Any) -> torch.Tensor:
    """Scores of the next token, on the CPU, after these ids went through the model."""
    device = next(model.parameters()).device
    out = model(
        input_ids=torch.tensor([list(ids)], device=device), past_key_values=cache, use_cache=True, logits_to_keep=1
    )
    scores: torch.Tensor = out.logits[0, -1].float().cpu()
    return scores


def _choose(
    scores: torch.Tensor, allowed: torch.Tensor, draft: _Draft, line_breaks: torch.Tensor, vocabulary: Vocabulary
) -> tuple[int, float]:
    """The best lawful token, at a place to be ended the best way to end it; and its lead over the second (logits)."""
    at = len(draft.ids)
    mask = allowed.clone()
    mask[list(draft.banned.get(at, ()))] = False
    if at == 0:
        mask[list(vocabulary.end)] = False  # nothing is no letter
    if at in draft.ending:
        ends = mask & line_breaks
        ends[list(vocabulary.end)] = mask[list(vocabulary.end)]
        mask = ends if bool(ends.any()) else mask
    if not bool(mask.any()):
        mask = allowed
    best = scores.masked_fill(~mask, float("-inf")).topk(2)
    return int(best.indices[0]), float(best.values[0] - best.values[1])


def _take_back(draft: _Draft, vocabulary: Vocabulary) -> int:
    """Cut the draft and forbid what stood there; returns how many tokens stay."""
    cut = _least_sure(draft, vocabulary)
    if cut is None:
        cut = _start_of_line_or_sentence(draft.ids, vocabulary)
        draft.tried[cut] += 1
        before = vocabulary.text(draft.ids[:cut])
        within = bool(before) and not before.endswith("\n\n")
        listed = vocabulary.text(draft.ids[cut:]).startswith("- ") and within
        if listed or (within and draft.tried[cut] >= _TRIES) or draft.tried[cut] >= 2 * _TRIES:
            draft.ending.add(cut)
    if cut < len(draft.ids):
        draft.banned.setdefault(cut, set()).add(draft.ids[cut])
    for later in [n for n in draft.banned if n > cut]:
        del draft.banned[later]
    draft.ending -= {n for n in draft.ending if n > cut}
    del draft.ids[cut:]
    del draft.places[cut + 1 :]
    del draft.margins[cut:]
    return cut


def _least_sure(draft: _Draft, vocabulary: Vocabulary) -> int | None:
    """Where between the last handle of this sentence and here the second choice was nearest; None where the
    sentence has no handle yet, or that was tried before."""
    for start in range(len(draft.ids) - 1, _start_of_line_or_sentence(draft.ids, vocabulary), -1):
        if (vocabulary.pieces[draft.ids[start - 1]] or b"").endswith(b"]]"):
            break
    else:
        return None
    if draft.doubted[start] >= _TRIES:
        return None
    draft.doubted[start] += 1
    return min(range(start, len(draft.ids)), key=lambda place: (draft.margins[place], place))


def _start_of_line_or_sentence(ids: Sequence[int], vocabulary: Vocabulary) -> int:
    """How many tokens stand before the line or sentence begun, its heading included."""
    ends = list(accumulate((len(vocabulary.pieces[each] or b"") for each in ids), initial=0))
    data = b"".join(vocabulary.pieces[each] or b"" for each in ids)
    for cut in range(len(ids) - 1, 0, -1):
        end = ends[cut]
        if data.endswith(b"\n", 0, end):
            after_heading = data[:end].rstrip(b"\n").endswith(b":") and not data.endswith(b"\n\n", 0, end)
            if after_heading:
                continue  # a heading without a line under it says nothing: it goes too
            return cut
        if data.startswith(b" ", end) and _SENTENCE_END.search(
            data[max(0, end - _LOOK_BACK) : end].decode(errors="ignore")
        ):
            return cut
    return 0


def _starting_with(vocabulary: Vocabulary, start: bytes) -> torch.Tensor:
    return torch.tensor([piece is not None and piece.startswith(start) for piece in vocabulary.pieces])
