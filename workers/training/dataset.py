"""Training pairs as tensors: a prompt, one or more letters of the same chart, loss on the letters only.

Several letters share their prompt's computation: each attends to the prompt and to itself, and its
positions go on after the prompt, exactly as if it stood alone.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from service.chart import build_chart
from service.model import Chart, Lang
from service.prompt import build_prompt
from workers.training.augment import BASE_VARIATION, Pool, Variation, few, gather, vary
from workers.training.styles import compose
from workers.training.synthetic import generate_case
from workers.writer.engine import encode_prompt
from workers.writer.handles import known_references

STEP = 64
"""Lengths are padded to steps of this: few tensor shapes, which doubles the speed on a CPU."""
_IGNORED = -100
_WINDOW = 48
"""Pairs sorted by length at a time, so that little of a batch is padding."""

_KNOWN = frozenset(known_references())


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where training charts come from: charts by language, and their pools."""

    charts: dict[Lang, Sequence[Chart]]
    pools: dict[Lang, Pool]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Token ids of a prompt and of letters, each ended by the end token."""

    prompt: Sequence[int]
    letters: Sequence[Sequence[int]]

    @property
    def length(self) -> int:
        return len(self.prompt) + sum(map(len, self.letters))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """``ids``, ``positions``, ``labels``: (rows, length) int64; ``mask``: (rows, 1, length, length) bool."""

    ids: torch.Tensor
    positions: torch.Tensor
    labels: torch.Tensor
    mask: torch.Tensor


def knows(handle: str) -> bool:
    """Whether the small vocabulary has this handle."""
    return f"[[{handle}]]" in _KNOWN


def synthetic_chart(seed: int, lang: Lang) -> Chart:
    """The chart of one invented case, read from its FHIR Bundle as a real one is."""
    bundle = generate_case(seed, lang=lang).bundle
    return build_chart([], [entry["resource"] for entry in bundle["entry"]])


def gather_source(seeds: Sequence[int]) -> Source:
    """Charts of these cases in both languages."""
    charts: dict[Lang, Sequence[Chart]] = {
        lang: [synthetic_chart(seed, lang) for seed in seeds] for lang in ("de", "en")
    }
    return Source(charts=charts, pools={lang: gather(charts[lang]) for lang in charts})


def sample_texts(source: Source, styles: Sequence[str], rng: random.Random, count: int) -> Iterator[str]:
    """Prompts and letters for the tokenizer."""
    for _ in range(count):
        lang: Lang = rng.choice(("de", "en"))
        chart = rng.choice(source.charts[lang])
        yield build_prompt(chart, lang, knows=knows).text
        yield from (compose(chart, style, lang, rng) for style in styles)


def draw_pair(
    source: Source,
    styles: Sequence[str],
    tokenizer: Any,
    rng: random.Random,
    *,
    most: int,
    variation: Variation = BASE_VARIATION,
    share_of_few: float = 0.0,
) -> Pair:
    """One varied chart with a letter in each of these styles; at most ``most`` tokens."""
    while True:
        lang: Lang = rng.choice(("de", "en"))
        if rng.random() < share_of_few:
            chart = few(source.pools[lang], rng)
        else:
            chart = vary(rng.choice(source.charts[lang]), source.pools[lang], rng, variation)
        prompt = encode_prompt(tokenizer, build_prompt(chart, lang, knows=knows).text)
        letters = [
            [*tokenizer(compose(chart, style, lang, rng))["input_ids"], tokenizer.eos_token_id] for style in styles
        ]
        pair = Pair(prompt=prompt, letters=letters)
        if pair.length <= most and len(prompt) + max(map(len, letters)) <= most:
            return pair


def batches(
    source: Source,
    styles: Sequence[str],
    tokenizer: Any,
    rng: random.Random,
    *,
    tokens: int,
    most: int = 2048,
    variation: Variation = BASE_VARIATION,
    share_of_few: Callable[[], float] = lambda: 0.0,
) -> Iterator[Batch]:
    """Endless batches of about ``tokens`` tokens; ``share_of_few`` is asked anew for each window."""
    while True:
        share = share_of_few()
        window = [
            draw_pair(source, styles, tokenizer, rng, most=most, variation=variation, share_of_few=share)
            for _ in range(_WINDOW)
        ]
        window.sort(key=lambda pair: pair.length)
        groups: list[list[Pair]] = []
        while window:
            longest = _padded(window[-1].length)
            rows = max(1, round(tokens / longest))
            groups.append(window[-rows:])
            del window[-rows:]
        rng.shuffle(groups)
        yield from (collate(group, pad=tokenizer.pad_token_id) for group in groups)


def collate(pairs: Sequence[Pair], *, pad: int) -> Batch:
    """Pad to a common length, a multiple of 64, and mask each letter off from the others."""
    length = _padded(max(pair.length for pair in pairs))
    ids = torch.full((len(pairs), length), pad)
    labels = torch.full((len(pairs), length), _IGNORED)
    positions = torch.zeros((len(pairs), length), dtype=torch.int64)
    part = torch.full((len(pairs), length), -1)
    for row, pair in enumerate(pairs):
        end = len(pair.prompt)
        ids[row, :end] = torch.tensor(pair.prompt)
        positions[row, :end] = torch.arange(end)
        part[row, :end] = 0
        for number, letter in enumerate(pair.letters, start=1):
            start, end = end, end + len(letter)
            ids[row, start:end] = labels[row, start:end] = torch.tensor(letter)
            positions[row, start:end] = torch.arange(len(pair.prompt), len(pair.prompt) + len(letter))
            part[row, start:end] = number
    same = (part[:, :, None] == part[:, None, :]) | (part[:, None, :] == 0)
    mask = (same & torch.ones(length, length, dtype=torch.bool).tril()).unsqueeze(1)
    return Batch(ids=ids, positions=positions, labels=labels, mask=mask)


def _padded(length: int) -> int:
    return -(-length // STEP) * STEP
