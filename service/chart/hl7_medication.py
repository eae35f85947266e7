"""Systemic therapy and discharge medication from pharmacy segments (HL7 2.9 chapter 4A): RXA (given), RXE
(encoded order), RXO (order), with ORC before and TQ1 behind them.

Drugs of ATC L01 to L04 are systemic therapy. Whether another ordered drug goes home with the patient, an order
says only where the institution's mapping finds it in one of its fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from service.chart.codes import ATC_SYSTEMS
from service.chart.element import Concept
from service.chart.fhir_medication import is_oncological
from service.chart.hl7_fields import concept, leaf, moment, number, unit
from service.chart.hl7_numbers import Numbered, Numbers
from service.chart.hl7_timing import schedule
from service.chart.items import Item, Value
from service.chart.values import a_date, a_text, an_amount
from service.model import ChartMapping, FactType, Importance
from service.ports import Message, Segment

_FIELDS = {"RXA": (5, 6, 7), "RXE": (2, 3, 5), "RXO": (1, 2, 4)}
"""Code, amount, units."""
_GROUP = ("ORC", "TQ1", "RXO", "RXE", "RXR", "RXA")
_CALLED_OFF = frozenset({"CA", "OC", "CR", "DC", "OD", "DR", "DE"})
"""ORC-1, table 0119: cancelled or discontinued, as asked for, as done, or of the filler's own accord."""


@dataclass(frozen=True, kw_only=True)
class _Order:
    """The segments of one order, from its ORC to the next; ``numbers`` from ORC-2 and ORC-3."""

    numbers: Numbers
    control: str
    segments: Mapping[str, list[Segment]] = field(default_factory=dict)

    def first(self, *names: str) -> Segment | None:
        return next((rows[0] for name in names if (rows := self.segments.get(name))), None)


def read_medications(messages: Sequence[Message], mapping: ChartMapping, notes: list[str]) -> list[Item]:
    """One item a drug of systemic therapy, whose dose is the one told last and whose days span start and end; and
    one for each order of discharge medication that stands."""
    given, orders = _sorted_out(messages)
    systemic: dict[str, Item] = {}
    home: list[Item] = []
    for each in [*orders, *given]:
        item = _item(each, mapping, notes)
        if item and item.kind == "systemic":
            systemic[item.key] = _spanned(systemic.get(item.key), item)
        elif item:
            again = sum(one.key.split("|")[0] == item.key for one in home)
            home.append(replace(item, key=f"{item.key}|{again}" if again else item.key))
    return [*systemic.values(), *home]


def _sorted_out(messages: Sequence[Message]) -> tuple[list[_Order], list[_Order]]:
    """What was given, in order of the messages, and the orders that stand."""
    given: dict[tuple[str, str], _Order] = {}
    orders: Numbered[_Order] = Numbered()
    for position, message in enumerate(messages):
        for place, each in enumerate(_orders(message)):
            called_off = each.control in _CALLED_OFF
            rxa = each.first("RXA")
            if rxa:
                key = rxa.value(5).strip() or rxa.value(5, component=2).strip(), rxa.value(3).strip()
                given.pop(key, None)
                if not called_off and not _not_given(rxa):
                    given[key] = each
            elif each.first("RXE", "RXO") or called_off:
                unnumbered = (f"{position}.{place}", "")
                orders.put(each.numbers if any(each.numbers) else unnumbered, None if called_off else each)
    return list(given.values()), orders.values()


def _not_given(rxa: Segment) -> bool:
    """Refused or not administered (RXA-20), or deleted (RXA-21)."""
    return rxa.value(20).strip().upper() in ("RE", "NA") or rxa.value(21).strip().upper() == "D"


def _orders(message: Message) -> Iterator[_Order]:
    rows: dict[str, list[Segment]] = {}
    for segment in message.segments(*_GROUP):
        starts_anew = segment.name == "ORC" or (segment.name in _FIELDS and segment.name in rows)
        if starts_anew and rows:
            yield _order(rows)
            rows = {}
        rows.setdefault(segment.name, []).append(segment)
    if rows:
        yield _order(rows)


def _order(rows: Mapping[str, list[Segment]]) -> _Order:
    orc = next(iter(rows.get("ORC", ())), None)
    if orc is None:
        return _Order(numbers=("", ""), control="", segments=rows)
    numbers = orc.value(2).strip(), orc.value(3).strip()
    return _Order(numbers=numbers, control=orc.value(1).strip().upper(), segments=rows)


def _item(order: _Order, mapping: ChartMapping, notes: list[str]) -> Item | None:
    segment = order.first("RXA", "RXE", "RXO")
    if segment is None:
        return None
    code, amount, units = _FIELDS[segment.name]
    goes_home = segment.name != "RXA" and _is_discharge(order, mapping)
    drug = _drug(concept(segment, code), any_class=goes_home)
    if drug is None:
        return None
    values = {"drug": drug}
    figure = number(leaf(segment, amount), notes)
    if figure and figure.value > 0:
        values["dose"] = an_amount(FactType.DRUG_DOSE, figure.value, unit(segment, units), figure.source)
    if segment.name == "RXA" and (given := moment(segment, 3, notes)):
        values |= {"start": a_date(given), "end": a_date(given)}
    elif segment.name != "RXA" and (told := schedule(order.segments)):
        values["schedule" if goes_home else "rhythm"] = told
    return Item(
        kind="medication" if goes_home else "systemic",
        key=drug.value.casefold(),
        values=values,
        date=values["start"].value if "start" in values else "",
        origin="hl7",
    )


def _is_discharge(order: _Order, mapping: ChartMapping) -> bool:
    return any(
        segment.value(number, component=part).strip().upper() in codes
        for (name, number), codes in mapping.discharge.items()
        for segment in order.segments.get(name, ())
        for part in (1, 2)
    )


def _drug(told: Concept, *, any_class: bool) -> Value | None:
    atc = next((each for each in told.codings if each.system in ATC_SYSTEMS and each.code), None)
    if told.text is None or not (any_class or (atc and is_oncological(atc.code))):
        return None
    coding = atc or next((each for each in told.codings if each.code), None)
    return a_text(
        FactType.DRUG,
        told.text,
        Importance.HIGH,
        code=coding.code if coding else None,
        system=(coding.system or None) if coding else None,
    )


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
