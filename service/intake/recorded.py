"""When the sender recorded an event, which is not when it happened (HL7 2.9 chapter 3.4.1 EVN, 2.14.9 MSH)."""

from datetime import tzinfo
from typing import Final

from service.intake.identity import BERLIN, read_hl7_time
from service.intake.zone import zone_of
from service.ports import Message

_PLACES: Final = (("EVN", 2), ("MSH", 7))


def recorded_at(message: Message, local: tzinfo = BERLIN) -> str:
    """EVN-2, else MSH-7, ISO 8601 in UTC; ``""`` where neither is a time.

    EVN-2 first: an interface engine that sends an old message again gives it a new MSH-7.
    """
    zone = zone_of(message, local)
    for name, field in _PLACES:
        for segment in message.segments(name)[:1]:
            if at := read_hl7_time(segment.value(field), zone):
                return at
    return ""
