"""Systemic therapy from pharmacy segments: RXA (given), RXE (encoded order), RXO (order); HL7 2.9 chapter 4A.

Only drugs of ATC L01 to L04: whether another ordered drug goes home with the patient, no order says.
"""

from collections.abc import Sequence
from dataclasses import replace

from service.chart.codes import ATC_SYSTEMS
from service.chart.element import Concept
from service.chart.fhir_medication import is_oncological
from service.chart.hl7_fields import concept, leaf, moment, number, unit
from service.chart.items import Item, Value
from service.chart.values import a_date, a_text, an_amount
from service.model import FactType, Importance
from service.ports import Message, Segment

_FIELDS = {"RXA": (5, 6, 7), "RXE": (2, 3, 5), "RXO": (1, 2, 4)}
"""Code, amount, units."""


def read_systemic(messages: Sequence[Message], notes: list[str]) -> list[Item]:
    """One item a drug. Its dose is the one told last; days on which it was given span start and end."""
    found: dict[str, Item] = {}
    for message in messages:
        for segment in message.segments(*_FIELDS):
            if segment.name == "RXA" and segment.value(20).strip().upper() in ("RE", "NA"):
                continue
            if item := _item(segment, notes):
                found[item.key] = _spanned(found.get(item.key), item)
    return list(found.values())


def _item(segment: Segment, notes: list[str]) -> Item | None:
    code, amount, units = _FIELDS[segment.name]
    told = concept(segment, code)
    drug = _drug(told)
    if drug is None:
        return None
    values = {"drug": drug}
    figure = number(leaf(segment, amount), notes)
    if figure and figure.value > 0:
        values["dose"] = an_amount(FactType.DRUG_DOSE, figure.value, unit(segment, units), figure.source)
    if segment.name == "RXA" and (given := moment(segment, 3, notes)):
        values |= {"start": a_date(given), "end": a_date(given)}
    return Item(
        kind="systemic",
        key=drug.value.casefold(),
        values=values,
        date=values["start"].value if "start" in values else "",
        origin="hl7",
    )


def _drug(told: Concept) -> Value | None:
    atc = next((each for each in told.codings if each.system in ATC_SYSTEMS and is_oncological(each.code)), None)
    if atc is None or told.text is None:
        return None
    return a_text(FactType.DRUG, told.text, Importance.HIGH, code=atc.code, system=atc.system)


def _spanned(before: Item | None, item: Item) -> Item:
    if before is None:
        return item
    days = [each.values[name] for each in (before, item) for name in ("start", "end") if name in each.values]
    values = {**before.values, **item.values}
    if days:
        values["start"], values["end"] = min(days, key=_day), max(days, key=_day)
    return replace(item, values=values, date=values["start"].value if days else "")


def _day(value: Value) -> str:
    return value.value
