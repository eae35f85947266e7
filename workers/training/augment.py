"""Charts as strangers might have them: facts dropped, lists of every length, words never seen.

A model that always saw the same facts together learns their company instead of reading the prompt.
So every training chart is varied: some are real synthetic cases with holes, others are put together
leaf by leaf from many cases.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from service.model import Chart, Display, Fact, FactType
from workers.writer.handles import known_handles

_MOST: Mapping[str, int] = {
    "diagnosis": 3,
    "comorbidity": 7,
    "course": 3,
    "systemic": 4,
    "procedure": 5,
    "toxicity": 6,
    "lab": 7,
    "medication": 9,
    "allergy": 4,
    "appointment": 5,
    "plan": 5,
    "marker": 4,
    "volume": 4,
}
"""Longest lists put together; a training chart has any length from 0."""
_VOCABULARY_ENDS: Mapping[str, int] = {
    kind: max(int(h.split(".")[1]) for h in known_handles() if h.startswith(f"{kind}."))
    for kind in _MOST
    if kind not in ("marker", "volume")
}
_WORDS = frozenset({FactType.TERM, FactType.TEXT, FactType.DRUG, FactType.ALLERGY, FactType.LAB, FactType.SCHEDULE})
_CHOOSING = frozenset({FactType.SEX, FactType.SALUTATION, FactType.STATUS, FactType.FRACTIONS})
"""Types whose value chooses the letter's words; all others it only points to."""
_STATUSES: Mapping[str, Display] = {
    "completed": Display(de="abgeschlossen", en="completed"),
    "stopped": Display(de="vorzeitig beendet", en="stopped early"),
    "in-progress": Display(de="laufend", en="in progress"),
}
_SYLLABLES = "ba be bi cor da do fen ga gli ha hy ka ki la le lo ma mi na nib no pa phen pra ra ri ro sa sta ta ti tra tri va vir xi ze zol".split()  # noqa: SIM905


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Facts of many charts of one language by the handle's shape (``course.N.start``), for recombination."""

    facts: Mapping[str, Sequence[Fact]]


@dataclass(frozen=True, kw_only=True)
class Variation:
    """Shares of training charts that are put together anew, renumbered, shuffled, and given short noise as values."""

    recombined: float
    renumbered: float
    shuffled: float
    brief: float


BASE_VARIATION = Variation(recombined=0.35, renumbered=0.05, shuffled=0.05, brief=0.8)
"""For a base: cheap prompts, so that it sees many."""
STYLE_VARIATION = Variation(recombined=0.35, renumbered=0.05, shuffled=0.05, brief=0.3)
"""For a LoRA adapter: values as real charts have them."""


_KINDS_OF_FEW = 0.3
"""Share of the kinds that a chart of few facts has."""


def shape(handle: str) -> str:
    """``course.1.volume.2.dose`` -> ``course.N.volume.N.dose``."""
    return ".".join("N" if part.isdigit() else part for part in handle.split("."))


def gather(charts: Iterable[Chart]) -> Pool:
    """A pool of all charts' facts."""
    facts: dict[str, list[Fact]] = {}
    for chart in charts:
        for fact in chart.facts:
            facts.setdefault(shape(fact.handle), []).append(fact)
    return Pool(facts=facts)


def vary(chart: Chart, pool: Pool, rng: random.Random, variation: Variation = BASE_VARIATION) -> Chart:
    """A chart to train on, made from this one or from the pool. The same for the same state of ``rng``."""
    facts = _recombined(pool, rng) if rng.random() < variation.recombined else _thinned(chart, rng)
    if rng.random() < variation.renumbered:
        facts = _renumbered(facts, rng)
    # Values that choose no word are noise to be read over; short noise makes short, cheap prompts.
    brief = rng.random() < variation.brief
    facts = [_reworded(fact, rng, brief=brief) for fact in facts]
    if rng.random() < variation.shuffled:
        facts = _shuffled(facts, rng)
    return Chart(facts=tuple(facts))


def few(pool: Pool, rng: random.Random) -> Chart:
    """A chart of some ten facts with short noise as values: what stands in it, and nothing else, decides the letter.

    On whole charts a small model first learns letters of average length and stays there, for the prompt
    that would tell it better is far away and long; on these it has to read.
    """
    facts = _recombined(pool, rng)
    kinds = {fact.handle.split(".")[0] for fact in facts}
    gone = {kind for kind in sorted(kinds) if rng.random() > _KINDS_OF_FEW}
    most = rng.choice((1, 2, 2, 3))
    kept = [
        fact
        for fact in facts
        if fact.handle.split(".")[0] not in gone
        and all(int(part) <= most for part in fact.handle.split(".") if part.isdigit())
    ]
    return Chart(facts=tuple(_reworded(fact, rng, brief=True) for fact in kept))


def _item(handle: str) -> str:
    """The item that a handle belongs to: ``course.1``; a part's leaf belongs to its item too."""
    return ".".join(handle.split(".")[:2]) if handle.split(".")[1:2] and handle.split(".")[1].isdigit() else handle


def _thinned(chart: Chart, rng: random.Random) -> list[Fact]:
    """The chart with kinds, items and leaves missing; numbers close up as a real chart's would."""
    leaf_rate = rng.choice((0.0, 0.0, 0.03, 0.1, 0.25))
    item_rate = rng.choice((0.0, 0.15, 0.4))
    kind_rate = rng.choice((0.0, 0.1, 0.25))
    kinds = {fact.handle.split(".")[0] for fact in chart.facts}
    gone = {kind for kind in sorted(kinds) if kind not in ("patient", "visit") and rng.random() < kind_rate}
    items = {_item(fact.handle) for fact in chart.facts if _item(fact.handle) != fact.handle}
    gone |= {item for item in sorted(items) if rng.random() < item_rate}
    kept = [
        fact
        for fact in chart.facts
        if fact.handle.split(".")[0] not in gone and _item(fact.handle) not in gone and rng.random() >= leaf_rate
    ]
    return _closed_up(kept)


def _closed_up(facts: Sequence[Fact]) -> list[Fact]:
    numbers: dict[str, dict[str, int]] = {}
    closed = []
    for fact in facts:
        parts = fact.handle.split(".")
        for at in (1, 3):
            if len(parts) > at and parts[at].isdigit():
                seen = numbers.setdefault(".".join(parts[:at]), {})
                # Keyed by the old number below the new stem: unique, for stems are renumbered in order.
                parts[at] = str(seen.setdefault(parts[at], len(seen) + 1))
        closed.append(replace(fact, handle=".".join(parts)))
    return closed


def _recombined(pool: Pool, rng: random.Random) -> list[Fact]:
    """Every leaf present or not by chance, every list of any length, each value from some case."""
    present = rng.choice((0.5, 0.75, 0.9, 0.97))
    lengths: dict[str, int] = {}

    def length(stem: str, kind: str) -> int:
        if stem not in lengths:
            many = _MOST[kind]
            lengths[stem] = 0 if rng.random() < 0.12 else min(many, rng.choice((1, 1, 2, 2, 3, rng.randint(0, many))))
        return lengths[stem]

    facts: list[Fact] = []
    for handle in known_handles():
        parts = handle.split(".")
        known = pool.facts.get(shape(handle))
        if len(parts) > 1 and parts[1].isdigit() and int(parts[1]) > length(parts[0], parts[0]):
            continue
        if len(parts) > 3 and int(parts[3]) > length(".".join(parts[:2]) + parts[2], parts[2]):
            continue
        # A leaf that names the item is seldom absent in real charts.
        rate = max(present, 0.93) if parts[-1] in ("name", "drug", "term", "what", "start", "dose", "sex") else present
        if known and rng.random() < rate:
            facts.append(replace(rng.choice(known), handle=handle))
    return facts


def _renumbered(facts: Sequence[Fact], rng: random.Random) -> list[Fact]:
    """Items keep their order and get higher numbers, so that the model reads numbers instead of counting."""
    highest: dict[str, set[int]] = {}
    for fact in facts:
        parts = fact.handle.split(".")
        if len(parts) > 1 and parts[1].isdigit():
            highest.setdefault(parts[0], set()).add(int(parts[1]))
    new: dict[tuple[str, int], int] = {}
    for kind, numbers in highest.items():
        end = _VOCABULARY_ENDS.get(kind, 0)
        if len(numbers) <= end and rng.random() < 0.7:
            chosen = sorted(rng.sample(range(1, end + 1), len(numbers)))
            new |= {(kind, old): fresh for old, fresh in zip(sorted(numbers), chosen, strict=True)}
    renamed = []
    for fact in facts:
        parts = fact.handle.split(".")
        if len(parts) > 1 and parts[1].isdigit():
            parts[1] = str(new.get((parts[0], int(parts[1])), int(parts[1])))
        renamed.append(replace(fact, handle=".".join(parts)))
    return renamed


def _reworded(fact: Fact, rng: random.Random, *, brief: bool) -> Fact:
    if fact.type is FactType.STATUS:
        value = rng.choice((*_STATUSES, "completed", fact.value))
        return replace(fact, value=value, display=_STATUSES.get(value, fact.display))
    if fact.type is FactType.FRACTIONS and rng.random() < 0.12:
        return replace(fact, value="1", display=Display(de="1", en="1"))
    if brief and fact.type not in _CHOOSING:
        word = rng.choice(_SYLLABLES) if fact.type in _WORDS else str(rng.randint(2, 99))
    elif fact.type in _WORDS and rng.random() < 0.4:
        word = "".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))).capitalize()
    else:
        return fact
    return replace(fact, display=Display(de=word, en=word))


def _shuffled(facts: Sequence[Fact], rng: random.Random) -> list[Fact]:
    """Leaves change places within their item, and kinds among themselves; a kind's items stay in order."""
    order: dict[str, int] = {}
    for fact in facts:
        order.setdefault(fact.handle.split(".")[0], len(order))
    if rng.random() < 0.5:
        places = list(order.values())
        rng.shuffle(places)
        order = dict(zip(order, places, strict=True))
    items: dict[str, int] = {}
    for fact in facts:
        items.setdefault(_item(fact.handle), len(items))
    keyed = [(order[f.handle.split(".")[0]], items[_item(f.handle)], rng.random(), i, f) for i, f in enumerate(facts)]
    return [entry[-1] for entry in sorted(keyed, key=lambda entry: entry[:4])]
