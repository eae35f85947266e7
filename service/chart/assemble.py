"""What the readers found, made one chart: merged, numbered, with conflicts and warnings."""

from collections.abc import Iterable, Mapping, Sequence

from service.chart.items import Clash, Item, by_rank_and_date, merge
from service.chart.text import reads_like_an_instruction
from service.model import Chart, ChartConflict, Fact, FactType

_SINGLE = ("patient", "visit", "performance")
_ORDER = (
    "patient",
    "visit",
    "diagnosis",
    "comorbidity",
    "procedure",
    "course",
    "systemic",
    "toxicity",
    "performance",
    "lab",
    "medication",
    "allergy",
    "appointment",
    "plan",
)
_LEAVES: Mapping[str, Sequence[str]] = {
    "patient": ("name", "family", "given", "birth_date", "age", "sex", "salutation", "id"),
    "visit": ("number", "start", "end", "physician", "ward"),
    "diagnosis": ("name", "icd10", "side", "site", "histology", "date", "t", "n", "m", "tnm", "stage", "grading"),
    "comorbidity": ("name", "icd10"),
    "course": ("intent", "technique", "start", "end", "site", "side", "fractions", "status"),
    "volume": ("name", "dose", "dose_per_fraction", "fractions"),
    "systemic": ("drug", "dose", "rhythm", "cycles", "start", "end"),
    "procedure": ("name", "date"),
    "toxicity": ("term", "grade", "date"),
    "performance": ("ecog", "karnofsky"),
    "lab": ("name", "value", "unit", "date"),
    "medication": ("drug", "dose", "schedule"),
    "allergy": ("name",),
    "appointment": ("date", "time", "place"),
    "plan": ("what", "date"),
    "marker": ("",),
}
_FREE = frozenset(
    {
        FactType.TEXT,
        FactType.TERM,
        FactType.SCHEDULE,
        FactType.ALLERGY,
        FactType.DRUG,
        FactType.NAME,
        FactType.IDENTIFIER,
    }
)


def assemble(items: Iterable[Item], notes: Sequence[str]) -> Chart:
    """Facts in the order of the handles' contract, each kind numbered from 1 by rank, date and source order."""
    merged = merge(items)
    facts: list[Fact] = []
    conflicts: list[ChartConflict] = []
    for kind in _ORDER:
        own = by_rank_and_date([item for item in merged if item.kind == kind])
        for number, item in enumerate(own, start=1):
            stem = kind if kind in _SINGLE else f"{kind}.{number}"
            _add(item, stem, facts, conflicts)
    warnings = list(dict.fromkeys(notes))
    warnings += [
        f"{conflict.handle}: sources disagree ({', '.join(conflict.sources)}); the first stands"
        for conflict in conflicts
    ]
    warnings += [
        f"{fact.source}: instruction-like text in the chart"
        for fact in facts
        if fact.type in _FREE and reads_like_an_instruction(fact.value)
    ]
    return Chart(facts=tuple(facts), conflicts=tuple(conflicts), warnings=tuple(dict.fromkeys(warnings)))


def _add(item: Item, stem: str, facts: list[Fact], conflicts: list[ChartConflict]) -> None:
    for leaf in _LEAVES[item.kind]:
        value = item.values.get(leaf)
        if value is None:
            continue
        handle = f"{stem}.{leaf}" if leaf else stem
        facts.append(
            Fact(
                handle=handle,
                type=value.type,
                value=value.value,
                display=value.display,
                source=value.source,
                unit=value.unit,
                importance=value.importance,
                code=value.code,
                system=value.system,
            )
        )
    conflicts += [_conflict(clash, stem) for clash in item.clashes if clash.leaf in _LEAVES[item.kind]]
    counts: dict[str, int] = {}
    for part in item.parts:
        counts[part.kind] = counts.get(part.kind, 0) + 1
        _add(part, f"{stem}.{part.kind}.{counts[part.kind]}", facts, conflicts)


def _conflict(clash: Clash, stem: str) -> ChartConflict:
    return ChartConflict(
        handle=f"{stem}.{clash.leaf}" if clash.leaf else stem,
        values=tuple(each.value for each in clash.values),
        sources=tuple(each.source for each in clash.values),
    )
