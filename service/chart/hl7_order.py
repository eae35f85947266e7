"""HL7 v2 messages in the order of what happened, not of arrival."""

import re
from collections.abc import Sequence

from service.chart.dates import read_hl7
from service.ports import Message

_FRACTION = re.compile(r"\.(\d+)")
_HAPPENED = (("EVN", 6), ("EVN", 2), ("OBR", 7), ("OBR", 22))
"""Occurred before recorded (HL7 2.9, 3.4.1); observed before reported (7.4.1). Else MSH-7."""
Key = tuple[str, str, int]


def in_order(messages: Sequence[Message]) -> list[Message]:
    """By event time; of one time as written (MSH-7), then by sequence number (MSH-13), then as given.

    A message that has no time at all stays behind the one it was given after.
    """
    found: list[tuple[Key, Message]] = []
    before: Key = ("", "", 0)
    for message in messages:
        own = _key(message)
        before = own if own[0] else before
        found.append((before, message))
    return [message for _, message in sorted(found, key=lambda pair: pair[0])]


def _key(message: Message) -> Key:
    written = _time(message, "MSH", 7)
    happened = next((time for name, field in _HAPPENED if (time := _time(message, name, field))), "")
    number = next((each.value(13).strip() for each in message.segments("MSH")), "")
    return (
        happened or written,
        written,
        int(number) if number.isascii() and number.isdigit() and len(number) < 16 else 0,
    )


def _time(message: Message, name: str, field: int) -> str:
    """Comparable as text: UTC with what is finer than a second behind it."""
    segment = next(iter(message.segments(name)), None)
    text = segment.value(field) if segment else ""
    read = read_hl7(text, segment.offset(field)) if segment else None
    if read is None:
        return ""
    finer = _FRACTION.search(text)
    return read.utc.removesuffix("Z") + (f".{finer[1]}" if finer else "")
