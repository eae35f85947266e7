"""The chart beside the letter: facts in groups and items, each told as stated or not."""

from dataclasses import dataclass

from service.model import Fact, FindingKind, Importance, Lang
from service.signoff import Desk
from service.web.fields import field_label, item_label, take_apart
from service.web.letter_view import fact_anchor
from service.web.texts import TEXTS

_WHOLES = {"family": "name", "given": "name", "t": "tnm", "n": "tnm", "m": "tnm", "unit": "value", "sex": "salutation"}
"""Parts that a letter states by stating the whole."""


@dataclass(frozen=True, kw_only=True)
class FactRow:
    """One fact. ``missing``: the check tells it as an omission. ``place``: its anchor in the letter, or empty."""

    handle: str
    anchor: str
    label: str
    value: str
    origin: str
    stated: bool
    missing: bool
    place: str


@dataclass(frozen=True, kw_only=True)
class ItemView:
    """What belongs together: one course, one volume, one drug."""

    title: str
    depth: int
    rows: tuple[FactRow, ...]


@dataclass(frozen=True, kw_only=True)
class GroupView:
    """One part of the chart."""

    name: str
    title: str
    items: tuple[ItemView, ...]

    @property
    def missing(self) -> int:
        return sum(row.missing for item in self.items for row in item.rows)


def evidence_groups(desk: Desk, ui: Lang) -> tuple[GroupView, ...]:
    stated = _stated(desk)
    placed = {span.handle for span in desk.evidence}
    missing = {
        finding.chart.handle
        for finding in desk.verification.findings
        if finding.kind is FindingKind.OMITTED and finding.chart
    }
    groups: dict[str, dict[str, list[Fact]]] = {}
    for fact in desk.chart.facts:
        field = take_apart(fact.handle)
        groups.setdefault(field.group, {}).setdefault(_item_stem(fact.handle), []).append(fact)

    def row(fact: Fact) -> FactRow:
        anchor = fact_anchor(fact.handle)
        return FactRow(
            handle=fact.handle,
            anchor=anchor,
            label=field_label(fact.handle, ui),
            value=fact.display.in_(desk.draft.lang),
            origin=_origin(fact.source),
            stated=fact.handle in stated,
            missing=fact.handle in missing and fact.handle not in stated,
            place=f"in-letter-{anchor}" if fact.handle in placed else "",
        )

    return tuple(
        GroupView(
            name=name,
            title=TEXTS[ui].get(f"g_{name}", name),
            items=tuple(
                ItemView(
                    title=_item_title(facts[0].handle, len(items), ui),
                    depth=len(take_apart(facts[0].handle).items),
                    rows=tuple(row(fact) for fact in facts),
                )
                for facts in items.values()
            ),
        )
        for name, items in groups.items()
    )


def _item_stem(handle: str) -> str:
    """Markers stand with their diagnosis; everything else with its own item."""
    field = take_apart(handle)
    return field.group + "." + str(field.items[0][1]) if field.leaf == "marker" and field.items else field.stem


def _item_title(handle: str, of: int, ui: Lang) -> str:
    """Courses and volumes are always named, others where their fields alone would not tell them apart."""
    field = take_apart(handle)
    if not field.items:
        return ""
    kind, number = field.items[-1]
    if kind in ("course", "volume") or (kind == "diagnosis" and of > 1):
        return item_label(kind, number, ui)
    return ""


def _origin(source: str) -> str:
    """The resource or message that bears the fact, without the path in it."""
    return ", ".join(dict.fromkeys(part.partition("#")[0] for part in source.split(" + ")))


def _stated(desk: Desk) -> set[str]:
    """By a place in the letter, as part of a whole, or because the same value of its kind stands there."""
    found = {span.handle for span in desk.evidence}
    facts = {fact.handle: fact for fact in desk.chart.facts}
    told = {(facts[handle].type, facts[handle].value) for handle in found if handle in facts}
    omitted = {f.chart.handle for f in desk.verification.findings if f.kind is FindingKind.OMITTED and f.chart}
    for handle, fact in facts.items():
        stem, _, leaf = handle.rpartition(".")
        by_whole = leaf in _WHOLES and f"{stem}.{_WHOLES[leaf]}" in found
        by_value = fact.importance is not Importance.HIGH and (fact.type, fact.value) in told
        if handle not in omitted and (by_whole or by_value):
            found.add(handle)
    return found
