"""Where the patient lay: PV1-3, and movements in ZBE (IHE PAM 3.30.5.5, and German and French practice)."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.chart.dates import read_hl7
from service.chart.element import Leaf
from service.chart.hl7_fields import leaf
from service.ports import Message, Segment


@dataclass(frozen=True, kw_only=True)
class _Movement:
    start: str
    place: Leaf[str]


def location(pv1: Segment) -> Leaf[str] | None:
    """PV1-3: description, else point of care, else facility."""
    return leaf(pv1, 3, component=9) or leaf(pv1, 3, component=1) or leaf(pv1, 3, component=4)


def ward_by_movements(messages: Sequence[Message], treated: str) -> Leaf[str] | None:
    """The ward in force at noon of the day ``treated``; without it, or before all movements, the last one's."""
    standing: dict[str, _Movement] = {}
    for message in messages:
        for zbe in message.segments("ZBE"):
            name = zbe.value(1).strip()
            start = read_hl7(zbe.value(2), zbe.offset(2))
            place = next((found for each in message.segments("PV1")[:1] if (found := location(each))), None)
            place = place or leaf(zbe, 7)
            if _is_gone(zbe):
                standing.pop(name, None)
            elif name and start and place:
                standing[name] = _Movement(start=start.utc, place=place)
    ordered = sorted(standing.values(), key=lambda each: each.start)
    before = [each for each in ordered if treated and each.start <= f"{treated}T12"]
    return (before or ordered)[-1].place if ordered else None


def _is_gone(zbe: Segment) -> bool:
    """ZBE-4: DELETE in Germany, CANCEL in IHE PAM."""
    return zbe.value(4).strip().upper() in ("DELETE", "CANCEL")
