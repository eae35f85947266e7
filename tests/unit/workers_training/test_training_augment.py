"""Training charts: anything that a stranger's chart might be, and never what no chart can be."""

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.model import Chart, Fact, FactType, Lang
from workers.training.augment import BASE_VARIATION, STYLE_VARIATION, Pool, Variation, few, gather, shape, vary
from workers.training.dataset import synthetic_chart
from workers.writer.handles import known_handles

LANGUAGES: tuple[Lang, ...] = ("de", "en")
ONLY_THINNED = Variation(recombined=0.0, renumbered=0.0, shuffled=0.0, brief=0.0)
ONLY_RECOMBINED = Variation(recombined=1.0, renumbered=0.0, shuffled=0.0, brief=0.0)


@cache
def charts(lang: Lang = "de") -> tuple[Chart, ...]:
    return tuple(synthetic_chart(seed, lang) for seed in range(6))


@cache
def pool(lang: Lang = "de") -> Pool:
    return gather(charts(lang))


def items(facts: tuple[Fact, ...], kind: str) -> list[int]:
    """An item's number in order of first appearance."""
    found = dict.fromkeys(int(f.handle.split(".")[1]) for f in facts if f.handle.startswith(f"{kind}."))
    return list(found)


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        ("patient.name", "patient.name"),
        ("course.1.start", "course.N.start"),
        ("course.12.volume.3.dose", "course.N.volume.N.dose"),
        ("diagnosis.1.marker.2", "diagnosis.N.marker.N"),
    ],
)
def test_the_shape_of_a_handle_forgets_its_numbers(handle: str, expected: str) -> None:
    assert shape(handle) == expected


def test_a_pool_holds_every_fact_of_every_chart_below_its_shape() -> None:
    gathered = [fact for facts in pool().facts.values() for fact in facts]

    assert len(gathered) == sum(len(chart.facts) for chart in charts())
    assert all(shape(fact.handle) == key for key, facts in pool().facts.items() for fact in facts)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    lang=st.sampled_from(LANGUAGES),
    variation=st.sampled_from([BASE_VARIATION, STYLE_VARIATION]),
)
def test_a_varied_chart_has_each_handle_once_and_is_the_same_for_the_same_seed(
    seed: int, lang: Lang, variation: Variation
) -> None:
    chart = charts(lang)[seed % 6]

    varied = vary(chart, pool(lang), random.Random(seed), variation)

    handles = [fact.handle for fact in varied.facts]
    assert len(handles) == len(set(handles))
    assert varied == vary(chart, pool(lang), random.Random(seed), variation)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_where_items_are_missing_the_numbers_close_up_in_the_old_order(seed: int) -> None:
    chart = charts()[seed % 6]

    thinned = vary(chart, pool(), random.Random(seed), ONLY_THINNED)

    for kind in {fact.handle.split(".")[0] for fact in thinned.facts if fact.handle.split(".")[1].isdigit()}:
        numbers = items(thinned.facts, kind)
        assert numbers == list(range(1, len(numbers) + 1))
    assert len(thinned.facts) <= len(chart.facts)
    originals = {(shape(fact.handle), fact.source) for fact in chart.facts}
    assert {(shape(fact.handle), fact.source) for fact in thinned.facts} <= originals


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_recombined_chart_takes_each_value_from_a_fact_of_the_same_shape(seed: int) -> None:
    mixed = vary(charts()[0], pool(), random.Random(seed), ONLY_RECOMBINED)

    known = set(known_handles())
    sources = {key: {fact.source for fact in facts} for key, facts in pool().facts.items()}
    assert all(fact.handle in known for fact in mixed.facts)
    assert all(fact.source in sources[shape(fact.handle)] for fact in mixed.facts)
    assert len({fact.source.split("#")[0] for fact in mixed.facts}) > 1 or len(mixed.facts) < 2


def test_recombined_lists_reach_every_length_that_a_letter_must_cope_with() -> None:
    lengths = {
        len(items(vary(charts()[0], pool(), random.Random(seed), ONLY_RECOMBINED).facts, "medication"))
        for seed in range(400)
    }

    assert lengths >= set(range(9))


def test_a_chart_of_few_facts_is_small_and_its_lists_are_short() -> None:
    small = [few(pool(), random.Random(seed)) for seed in range(100)]

    sizes = sorted(len(chart.facts) for chart in small)
    assert sizes[50] < min(len(chart.facts) for chart in charts())
    assert all(
        int(part) <= 3
        for chart in small
        for fact in chart.facts
        for part in fact.handle.split(".")[1:]
        if part.isdigit()
    )


def test_what_chooses_words_keeps_its_meaning_when_values_become_noise() -> None:
    brief = Variation(recombined=0.0, renumbered=0.0, shuffled=0.0, brief=1.0)
    told = {fact.handle: fact for fact in charts()[0].facts}

    for seed in range(30):
        for fact in vary(charts()[0], pool(), random.Random(seed), brief).facts:
            if fact.type in (FactType.SEX, FactType.SALUTATION):
                assert fact.display == told[fact.handle].display
            if fact.type is FactType.STATUS:
                assert fact.value in ("completed", "stopped", "in-progress")
                assert fact.display.de in ("abgeschlossen", "vorzeitig beendet", "laufend")


def test_renumbered_items_keep_their_order_and_stay_within_the_vocabulary() -> None:
    renumbering = Variation(recombined=0.0, renumbered=1.0, shuffled=0.0, brief=0.0)
    moved = 0

    for seed in range(30):
        facts = vary(charts()[0], pool(), random.Random(seed), renumbering).facts
        numbers = items(facts, "medication")
        assert numbers == sorted(numbers)
        assert {f.handle for f in facts if f.handle.startswith("medication.")} <= set(known_handles())
        moved += numbers != list(range(1, len(numbers) + 1))

    assert moved > 5


def test_shuffling_moves_facts_within_their_item_and_loses_none() -> None:
    shuffling = Variation(recombined=0.0, renumbered=0.0, shuffled=1.0, brief=0.0)
    calm = Variation(recombined=0.0, renumbered=0.0, shuffled=0.0, brief=0.0)
    moved = 0

    for seed in range(20):
        shuffled = vary(charts()[0], pool(), random.Random(seed), shuffling).facts
        still = vary(charts()[0], pool(), random.Random(seed), calm).facts
        assert sorted(f.handle for f in shuffled) == sorted(f.handle for f in still)
        assert items(shuffled, "medication") == sorted(items(shuffled, "medication"))
        moved += [f.handle for f in shuffled] != [f.handle for f in still]

    assert moved > 10
