"""Where a handle is absent the likeliest lawful line is written, and the model is left as it was."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from writer_models import following_llama, random_llama
from writer_tokenizers import chart, chart_references, faults, small

from workers.writer.decoding import Guard, Place, classify
from workers.writer.generation import write_greedily
from workers.writer.search import likeliest_line
from workers.writer.sentences import start_of_line_or_sentence
from workers.writer.vocabulary import Vocabulary, read_vocabulary

END, HEAD, UNTIL, ABSENT, SINCE, NAME, BREAK, CLOSING = range(8)
WORDS = Vocabulary(
    pieces=(None, b"Kopf.", b"Bis", b" [[course.9.end]]", b"Seit", b" [[diagnosis.1.name]]", b"\n", b"Ende."),
    end=frozenset({END}),
)


def searched(model: Any, prompt: Sequence[int], guard: Guard, vocabulary: Vocabulary) -> tuple[list[int] | None, Any]:
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        scores = model(input_ids=torch.tensor([list(prompt)]), past_key_values=cache).logits[0, -1].float()
        found, steps = likeliest_line(
            model, cache, scores, written=[], place=Place(), guard=guard, vocabulary=vocabulary, limit=60
        )
    assert 0 < steps <= 60
    return found, cache


def likelihood(model: Any, prompt: Sequence[int], ids: Sequence[int]) -> float:
    with torch.inference_mode():
        logs = model(input_ids=torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1].float().log_softmax(-1)
    return float(logs[torch.arange(len(ids)), torch.tensor(list(ids))].sum())


def test_a_wording_that_needs_no_absent_handle_is_taken_from_its_first_word_on() -> None:
    model = following_llama(
        8, {HEAD: [UNTIL, SINCE], UNTIL: [ABSENT], SINCE: [NAME], NAME: [BREAK], BREAK: [CLOSING], CLOSING: [END]}
    )
    guard = Guard(classify(WORDS), ["[[diagnosis.1.name]]"])

    ids, ended = write_greedily(model, [HEAD], guard, WORDS, limit=40)

    assert ended
    assert WORDS.text(ids) == "Seit [[diagnosis.1.name]]\nEnde."


@pytest.mark.parametrize("seed", range(4))
def test_the_line_found_is_lawful_and_leaves_the_cache_as_it_was(seed: int) -> None:
    vocabulary = read_vocabulary(small(), size=len(small()))
    guard = Guard(classify(vocabulary), chart_references(chart()))
    model = random_llama(len(small()), seed=seed)
    prompt = small()("### Brief\n", add_special_tokens=False)["input_ids"]

    found, cache = searched(model, prompt, guard, vocabulary)

    assert cache.get_seq_length() == len(prompt)
    with torch.inference_mode():
        after = model(input_ids=torch.tensor([[7]]), past_key_values=cache).logits[0, -1]
        afresh = model(input_ids=torch.tensor([[*prompt, 7]])).logits[0, -1]
    assert torch.allclose(after, afresh, atol=1e-4)
    if found is not None:
        text = vocabulary.text([token for token in found if token not in vocabulary.end])
        assert faults(text, chart_references(chart())) == []


@settings(max_examples=30, deadline=None)
@given(table=st.lists(st.permutations(range(1, 8)).map(lambda order: order[:3]), min_size=8, max_size=8))
def test_the_line_found_is_at_least_as_likely_as_the_greedy_one(table: list[list[int]]) -> None:
    model = following_llama(8, dict(enumerate(table)))
    guard = Guard(classify(WORDS), ["[[diagnosis.1.name]]"])
    found, _ = searched(model, [HEAD], guard, WORDS)
    greedy: list[int] = []
    place = Place()
    while len(greedy) < 60 and (not greedy or start_of_line_or_sentence(greedy, WORDS) == 0):
        with torch.inference_mode():
            scores = model(input_ids=torch.tensor([[HEAD, *greedy]])).logits[0, -1].float()
        mask = guard.allowed(place).clone()
        mask[END] = bool(greedy) and mask[END]
        token = int(scores.masked_fill(~mask, float("-inf")).argmax())
        greedy.append(token)
        if token == END:
            break
        reached = guard.follow(place, token)
        assert reached is not None
        place = reached

    if len(greedy) < 60:
        assert found is not None
        assert likelihood(model, [HEAD], found) >= likelihood(model, [HEAD], greedy) - 1e-4


@pytest.mark.parametrize(
    ("pieces", "start"),
    [
        (["Eins.", " Zwei"], 0),  # four letters: it may be an abbreviation
        (["Ende gut, alles", " beendet.", " Neu"], 2),
        (["- a", "\n", "- b"], 2),
        (["Text", "\n\n", "Diagnosen:", "\n", "- a"], 2),  # the heading belongs to its line
        (["Text", "\n\n", "Diagnosen:", "\n", "- a", "\n", "- b"], 6),
        (["nur"], 0),
        ([], 0),
    ],
)
def test_a_line_or_sentence_starts_where_a_reader_would_say(pieces: list[str], start: int) -> None:
    vocabulary = Vocabulary(pieces=(None, *(piece.encode() for piece in pieces)), end=frozenset({0}))

    assert start_of_line_or_sentence(range(1, len(pieces) + 1), vocabulary) == start
