"""The token mask: exactly the automaton's language, whatever the tokenizer, and never a dead end."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from writer_tokenizers import chart, chart_references, faults, letters, like_llama_2, like_llama_3, small

from workers.writer.decoding import Guard, Place, classify
from workers.writer.vocabulary import Vocabulary, read_vocabulary

REFERENCES = chart_references(chart())
ABSENT = "[[course.4.start]]"


def split_characters() -> Vocabulary:
    """Made by hand: tokens that begin, continue and end in the middle of a character, and two of a unit."""
    pieces = [b"", b"f\xc3", b"\xbcnf ", b"\xbc", b"\xc2", b"\xb2", b"\xb5g", b"\xe2", b"\x80", b"\x93 ", b"\xe2\x82"]
    pieces += [b"\x81", b"\xac", b"\xd9", b"\xa0", b"\xf0", b"\x9f", b"\x98", b"\x80 Gy", b"\xcc", b"\x88", b" G", b"y"]
    pieces += [b"zwei", b" ", b"\n", b"1", b"3D", b". ", b"]].", b" [[", b"[", b"]", b"[[", b"]] ", b"a", b"HER", b"2"]
    pieces += [each.removeprefix("[[").removesuffix("]]").encode() for each in REFERENCES[:6]]
    every_byte = [bytes([byte]) for byte in range(256)]  # as real tokenizers have, so that any text encodes
    return Vocabulary(pieces=(*pieces, None, *every_byte), end=frozenset({0}))


def of(make: Callable[[], Any]) -> Callable[[], Vocabulary]:
    return lambda: read_vocabulary(make(), size=len(make()))


KINDS: dict[str, Callable[[], Vocabulary]] = {
    "small": of(small),
    "like-llama-3": of(like_llama_3),
    "like-llama-2": of(like_llama_2),
    "split-characters": split_characters,
}


@pytest.fixture(params=KINDS, scope="module")
def guard(request: pytest.FixtureRequest) -> Guard:
    return Guard(classify(KINDS[request.param]()), REFERENCES)


def vocabulary(guard: Guard) -> Vocabulary:
    return guard._classes.vocabulary


def walk(guard: Guard, rng: random.Random, steps: int) -> Iterator[tuple[list[int], Place]]:
    """A random text, drawn to what is rare: brackets, digits, unfinished characters, number words."""
    pieces = vocabulary(guard).pieces
    rare = torch.tensor(
        [
            piece is not None and (any(c in b"[]0123456789\n" or c > 127 for c in piece) or b"zwei" in piece)
            for piece in pieces
        ]
    )
    ids: list[int] = []
    place = Place()
    yield ids, place
    for _ in range(steps):
        allowed = guard.allowed(place).clone()
        allowed[list(vocabulary(guard).end)] = False
        assert bool(allowed.any()), f"stuck after {vocabulary(guard).text(ids)[-40:]!r}"
        drawn = allowed & rare if rng.random() < 0.5 and bool((allowed & rare).any()) else allowed
        ids.append(rng.choice(drawn.nonzero().flatten().tolist()))
        reached = guard.follow(place, ids[-1])
        assert reached is not None
        place = reached
        yield ids, place


@pytest.mark.parametrize("seed", range(6))
def test_a_random_walk_over_allowed_tokens_stays_lawful_and_never_gets_stuck(guard: Guard, seed: int) -> None:
    ended = 0
    for ids, place in walk(guard, random.Random(seed), 400):
        if guard.may_end(place):
            ended = len(ids)
    raw = b"".join(vocabulary(guard).pieces[each] or b"" for each in ids[:ended])

    assert faults(raw.decode(), REFERENCES) == []
    assert ended > 300


@pytest.mark.parametrize("seed", range(3))
def test_the_mask_is_what_trying_every_token_gives(guard: Guard, seed: int) -> None:
    rng = random.Random(100 + seed)
    places = {place for _, place in walk(guard, rng, 150)}

    for place in rng.sample(sorted(places, key=repr), min(len(places), 60)):
        tried = torch.tensor(
            [
                piece != b"" and guard.follow(place, number) is not None
                for number, piece in enumerate(vocabulary(guard).pieces)
            ]
        )
        tried[list(vocabulary(guard).end)] = guard.may_end(place)
        assert torch.equal(guard.allowed(place), tried), place


@pytest.mark.parametrize(
    "before", ["fünf ", "Zwei weitere ", "eine", "zwei µ", "nach HER2", "CTCAE v5.", "k", "sechs G", "drei frac"]
)
def test_the_mask_is_what_trying_every_token_gives_around_numbers_units_and_terms(guard: Guard, before: str) -> None:
    place = Place()
    for byte in before.encode():
        single = Guard(classify(Vocabulary(pieces=(bytes([byte]),), end=frozenset())), REFERENCES)
        reached = single.follow(place, 0)
        assert reached is not None
        place = reached

    tried = [piece != b"" and guard.follow(place, n) is not None for n, piece in enumerate(vocabulary(guard).pieces)]
    tried_mask = torch.tensor(tried)
    tried_mask[list(vocabulary(guard).end)] = guard.may_end(place)
    assert torch.equal(guard.allowed(place), tried_mask)


@pytest.mark.parametrize("kind", ["small", "like-llama-3", "like-llama-2"])
def test_a_true_letter_passes_token_by_token_and_may_end(kind: str) -> None:
    tokenizer = {"small": small, "like-llama-3": like_llama_3, "like-llama-2": like_llama_2}[kind]()
    guard = Guard(classify(KINDS[kind]()), REFERENCES)
    for letter in letters([7], ["de"]):
        place = Place()
        for token in tokenizer(letter, add_special_tokens=False)["input_ids"]:
            assert bool(guard.allowed(place)[token])
            reached = guard.follow(place, token)
            assert reached is not None
            place = reached
        assert guard.may_end(place)
        assert bool(guard.allowed(place)[tokenizer.eos_token_id])


def test_the_general_tokenizer_merges_brackets_with_their_neighbours() -> None:
    pieces = {piece for piece in KINDS["like-llama-3"]().pieces if piece}

    assert {b"]].", b" [["} <= pieces
    assert not any(b"[[course.1.start]]" in piece for piece in pieces)


@pytest.mark.parametrize("kind", ["small", "like-llama-3", "like-llama-2"])
def test_the_end_of_the_text_is_forbidden_within_a_handle_a_term_and_a_character(kind: str) -> None:
    held = KINDS[kind]()
    guard = Guard(classify(held), REFERENCES)
    place = Place()
    for text, may_end in ((b"Mamma", True), (b" CA 15", False), (b"-3", True), (b" \xc3", False), (b"\xbc", True)):
        for byte in text:
            token = held.pieces.index(bytes([byte]))
            reached = guard.follow(place, token)
            assert reached is not None
            place = reached
        assert bool(guard.allowed(place)[list(held.end)].all()) is may_end


@pytest.mark.parametrize("kind", ["small", "like-llama-3", "like-llama-2"])
def test_asking_for_an_absent_handle_is_told_from_other_forbidden_tokens(kind: str) -> None:
    tokenizer = {"small": small, "like-llama-3": like_llama_3, "like-llama-2": like_llama_2}[kind]()
    guard = Guard(classify(KINDS[kind]()), REFERENCES)
    place, asked = Place(), False
    for token in tokenizer(f"Beginn {ABSENT}", add_special_tokens=False)["input_ids"]:
        reached = guard.follow(place, token)
        if reached is None:
            asked = guard.asks_absent_handle(place, token)
            break
        place = reached
    digit = tokenizer("7", add_special_tokens=False)["input_ids"][-1]

    assert asked
    assert not guard.asks_absent_handle(Place(), digit)
