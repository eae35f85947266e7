"""Training pairs as tensors: letters that share a prompt count exactly as if each stood alone."""

import random
from collections.abc import Sequence
from functools import cache
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from writer_models import random_llama
from writer_tokenizers import small

from service.chart import build_chart
from service.prompt import build_prompt
from workers.training.base import letter_loss, next_tokens
from workers.training.dataset import STEP, Pair, Source, batches, collate, draw_pair, gather_source, knows
from workers.training.styles import stated_handles
from workers.training.synthetic import generate_case

STYLES = ("university", "telegraphic")
token_ids = st.lists(st.integers(2, 200), min_size=1, max_size=40)
pairs = st.builds(
    lambda prompt, letters: Pair(prompt=prompt, letters=letters), token_ids, st.lists(token_ids, min_size=1, max_size=3)
)


@cache
def source() -> Source:
    return gather_source(range(3))


def alone(pair: Pair) -> Sequence[Pair]:
    return [Pair(prompt=pair.prompt, letters=[letter]) for letter in pair.letters]


@settings(max_examples=60, deadline=None)
@given(some=st.lists(pairs, min_size=1, max_size=4))
def test_what_is_to_be_predicted_is_every_letter_token_and_nothing_else(some: list[Pair]) -> None:
    batch = collate(some, pad=0)

    wanted, (rows, columns) = next_tokens(batch)

    assert wanted.tolist() == [token for pair in some for letter in pair.letters for token in letter]
    before = [token for pair in some for letter in pair.letters for token in (pair.prompt[-1], *letter[:-1])]
    assert batch.ids[rows, columns].tolist() == before


@settings(max_examples=60, deadline=None)
@given(some=st.lists(pairs, min_size=1, max_size=4))
def test_a_letter_attends_to_its_prompt_and_itself_and_to_no_other_letter(some: list[Pair]) -> None:
    batch = collate(some, pad=0)

    assert batch.ids.shape[1] % STEP == 0
    for row, pair in enumerate(some):
        start = len(pair.prompt)
        for letter in pair.letters:
            last = start + len(letter) - 1
            seen = batch.mask[row, 0, last].nonzero().flatten().tolist()
            assert seen == [*range(len(pair.prompt)), *range(start, last + 1)]
            assert batch.positions[row, start : last + 1].tolist() == list(
                range(len(pair.prompt), len(pair.prompt) + len(letter))
            )
            start = last + 1


def test_the_loss_of_letters_side_by_side_is_that_of_letters_alone() -> None:
    model = random_llama(len(small()))
    rng = random.Random(3)
    pair = draw_pair(source(), STYLES, small(), rng, most=2048, share_of_few=1.0)

    with torch.no_grad():
        together = letter_loss(model, collate([pair], pad=0))
        apart = [(letter_loss(model, collate([each], pad=0)), each) for each in alone(pair)]

    counts = [len(each.letters[0]) for _, each in apart]
    mean = sum(float(loss) * n for (loss, _), n in zip(apart, counts, strict=True)) / sum(counts)
    assert len(apart) == 2
    assert float(together) == pytest.approx(mean, rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), few=st.sampled_from([0.0, 1.0]))
def test_a_letter_to_learn_from_names_only_handles_of_its_prompt(seed: int, few: float) -> None:
    pair = draw_pair(source(), STYLES, small(), random.Random(seed), most=2048, share_of_few=few)

    shown = set(stated_handles(small().decode(pair.prompt)))
    for letter in pair.letters:
        assert letter[-1] == small().eos_token_id
        assert set(stated_handles(small().decode(letter))) <= shown
        assert len(pair.prompt) + len(letter) <= 2048


def test_batches_are_about_as_large_as_asked_and_follow_the_curriculum() -> None:
    asked: list[float] = []

    def share() -> float:
        asked.append(1.0 if not asked else 0.0)
        return asked[-1]

    stream = batches(source(), STYLES, small(), random.Random(1), tokens=2048, share_of_few=share)
    found = list(islice(stream, 4))

    assert asked == [1.0]  # once a window, before its charts are drawn
    assert all(1024 <= batch.ids.numel() <= 4096 for batch in found)


def test_the_small_vocabulary_ends_at_some_number() -> None:
    assert knows("medication.14.drug")
    assert not knows("medication.15.drug")


def test_training_charts_come_through_the_same_door_as_real_ones() -> None:
    bundle = generate_case(1, lang="en").bundle
    chart = source().charts["en"][1]

    assert chart == build_chart([], [entry["resource"] for entry in bundle["entry"]])
    assert build_prompt(chart, "en", knows=knows).handles
