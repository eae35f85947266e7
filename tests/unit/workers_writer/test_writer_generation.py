"""Greedy writing: it ends, names no absent handle, and goes back rather than state a fact twice."""

import cProfile
import pstats
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from writer_models import following_llama, random_llama
from writer_tokenizers import chart, chart_references, faults, like_llama_3, small

from workers.writer.decoding import Guard, Place, classify
from workers.writer.generation import write_greedily
from workers.writer.vocabulary import Vocabulary, read_vocabulary

END, HEAD, FIRST, SECOND, ONE, TWO, BREAK, CLOSING, SENTENCE, DOSE, START = range(11)
PIECES = (
    None,
    b"Diagnosen:\n",
    b"- ",  # of the first line
    b"- ",  # of the second: the same text, so that the table can tell them apart
    b"[[diagnosis.1.name]]",
    b"[[diagnosis.2.name]]",
    b"\n",
    b"Ende.",
    b" Die Bestrahlung",
    b" mit [[course.9.volume.1.dose]]",
    b"Beginn.",
)
WORDS = Vocabulary(pieces=PIECES, end=frozenset({END}))
ONE_DIAGNOSIS = ["[[diagnosis.1.name]]"]


def write(follows: dict[int, Sequence[int]], references: Sequence[str], *, first: int = HEAD, limit: int = 60) -> str:
    model = following_llama(len(PIECES), follows)
    ids, _ = write_greedily(model, [first], Guard(classify(WORDS), references), WORDS, limit=limit)
    return WORDS.text(ids)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [small, like_llama_3])
def test_a_random_model_writes_lawfully_and_ends_at_the_limit(make: Any, seed: int) -> None:
    vocabulary = read_vocabulary(make(), size=len(make()))
    guard = Guard(classify(vocabulary), chart_references(chart()))
    prompt = make()("### Brief\n", add_special_tokens=False)["input_ids"]

    ids, ended = write_greedily(random_llama(len(make()), seed=seed), prompt, guard, vocabulary, limit=120)

    assert len(ids) <= 120
    assert faults(vocabulary.text(ids), chart_references(chart())) == []
    assert ended or ids


@pytest.mark.parametrize("limit", range(1, 20))
def test_a_letter_cut_off_at_the_limit_ends_outside_a_handle(limit: int) -> None:
    """The model spells one handle after the other, so that most limits fall within one."""
    spelled = (b" ", b"[[", b"na", b"me", b"]]")
    vocabulary = Vocabulary(pieces=(None, *spelled), end=frozenset({0}))
    model = following_llama(6, {1: [2], 2: [3], 3: [4], 4: [5], 5: [1]})

    ids, ended = write_greedily(model, [5], Guard(classify(vocabulary), ["[[name]]"]), vocabulary, limit=limit)

    assert not ended
    assert vocabulary.text(ids) == " [[name]]" * (limit // 5) + " " * (limit % 5 > 0)


def test_a_model_that_ends_its_letter_is_believed() -> None:
    assert write({HEAD: [FIRST], FIRST: [ONE], ONE: [END]}, ONE_DIAGNOSIS) == "- [[diagnosis.1.name]]"


def test_a_list_item_with_an_absent_handle_ends_the_list_and_repeats_nothing() -> None:
    text = write(
        {
            HEAD: [FIRST],
            FIRST: [ONE],
            ONE: [BREAK],
            BREAK: [SECOND, CLOSING, BREAK],
            SECOND: [TWO, ONE],
            CLOSING: [END],
        },
        ONE_DIAGNOSIS,
    )

    assert text.count("[[diagnosis.1.name]]") == 1
    assert text.rstrip().splitlines()[0] == "- [[diagnosis.1.name]]"
    assert text.endswith("Ende.")


def test_an_absent_handle_behind_another_costs_only_what_led_to_it() -> None:
    follows: dict[int, Sequence[int]] = {
        HEAD: [FIRST],
        FIRST: [ONE],
        ONE: [SENTENCE, CLOSING],
        SENTENCE: [DOSE, ONE],
        CLOSING: [END],
    }

    assert write(follows, ONE_DIAGNOSIS) == "- [[diagnosis.1.name]]Ende."


def test_a_sentence_with_an_absent_handle_is_taken_back_as_a_whole() -> None:
    follows: dict[int, Sequence[int]] = {
        HEAD: [START],
        START: [SENTENCE, CLOSING],
        SENTENCE: [DOSE, ONE],
        CLOSING: [END],
        ONE: [END],
    }

    assert write(follows, ONE_DIAGNOSIS) == "Beginn.Ende."


def test_a_heading_whose_only_line_asks_for_an_absent_handle_goes_too() -> None:
    follows: dict[int, Sequence[int]] = {
        START: [HEAD, CLOSING],
        HEAD: [SECOND],
        SECOND: [TWO, ONE],
        CLOSING: [END],
        ONE: [END],
    }

    assert write(follows, ONE_DIAGNOSIS, first=START) == "Ende."


def test_a_model_that_wants_nothing_but_absent_handles_still_ends() -> None:
    follows: dict[int, Sequence[int]] = {token: [TWO] for token in range(len(PIECES))}

    assert "[[diagnosis.2.name]]" not in write(follows, ONE_DIAGNOSIS)


def test_what_was_taken_back_leaves_no_trace_in_the_cache() -> None:
    """The letter after a way back is the one that the model writes when it reads the kept text afresh."""
    vocabulary = read_vocabulary(small(), size=len(small()))
    shown = [each for each in chart_references(chart()) if ".1." in each]
    guard = Guard(classify(vocabulary), shown)
    model = random_llama(len(small()), seed=6)
    prompt = small()("### Brief\n", add_special_tokens=False)["input_ids"]
    ids, _ = write_greedily(model, prompt, guard, vocabulary, limit=100)

    with torch.inference_mode():
        scores = model(input_ids=torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1].float()
    place_scores = []
    place = Place()
    for token, row in zip(ids, scores, strict=True):
        allowed = guard.allowed(place)
        best = float(row.masked_fill(~allowed, float("-inf")).max())
        place_scores.append(best - float(row[token]))
        reached = guard.follow(place, token)
        assert reached is not None
        place = reached
    # a few tokens were chosen against the model's wish, where a line had to end; none of the others
    assert sum(gap > 1e-3 for gap in place_scores) <= 45
    assert sum(gap <= 1e-3 for gap in place_scores) > len(ids) / 2


def test_the_model_and_not_the_mask_takes_most_of_the_time_of_a_long_letter() -> None:
    vocabulary = read_vocabulary(small(), size=len(small()))
    classes = classify(vocabulary)
    references = chart_references(chart())
    model = random_llama(len(small()), seed=1)
    prompt = small()("### Brief\n", add_special_tokens=False)["input_ids"]
    write_greedily(
        model, prompt, Guard(classes, references), vocabulary, limit=120
    )  # masks are kept from letter to letter
    profile = cProfile.Profile()

    profile.runcall(write_greedily, model, prompt, Guard(classes, references), vocabulary, limit=120)

    spent = {name: cumulative for (_, _, name), (_, _, _, cumulative, _) in pstats.Stats(profile).stats.items()}  # type: ignore[attr-defined]
    assert spent.get("allowed", 0.0) + spent.get("start_of_line_or_sentence", 0.0) < spent["_scores"]
