"""What a kept message says, as a page and a terminal can show it: segments and fields as sent, or JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import orjson

from adapters.hl7.message import Segment, read_message
from service.errors import UnusableInput
from service.model import StoredMessage

_LONGEST: Final = 4000
"""Characters of one field on a page; a document of 50 MB in OBX-5 is for `epikrise message export`."""

_MOST_SEGMENTS: Final = 1000
_MOST_FIELDS: Final = 500
_WITHOUT_TABLES: Final = {"2.7.1": "2.7", "2.9": "2.8.2"}
"""Versions that the tables lack, and the one that names their fields."""


@dataclass(frozen=True, kw_only=True)
class ContentField:
    """``PID-5``, its HL7 name where there is one (``Patient name``), and its value as sent, escapes and all.
    ``left_out``: characters that did not fit."""

    place: str
    name: str
    value: str
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class ContentSegment:
    """``label`` is ``OBX`` or, where there are several, ``OBX 2``."""

    label: str
    fields: tuple[ContentField, ...]


@dataclass(frozen=True, kw_only=True)
class Content:
    """``charset``: the codec the bytes were read in. HL7 v2 has ``segments``, FHIR and what is neither has ``text``.
    ``left_out``: segments or characters of the text that did not fit."""

    size: int
    charset: str
    segments: tuple[ContentSegment, ...] = ()
    text: str = ""
    left_out: int = 0


def read_content(stored: StoredMessage) -> Content:
    """Never raises: what cannot be read is shown as text."""
    if stored.channel == "fhir":
        return _json(stored.body)
    try:
        message = read_message(stored.body)
    except UnusableInput:
        return _text(stored.body.decode("utf-8", "backslashreplace"), size=len(stored.body), charset="utf-8")
    segments = message.segments()
    counts: dict[str, int] = {}
    for segment in segments:
        counts[segment.name] = counts.get(segment.name, 0) + 1
    version = message.header.value(12).strip()
    return Content(
        size=len(stored.body),
        charset=message.encoding,
        segments=tuple(_segment(each, version, counts[each.name] > 1) for each in segments[:_MOST_SEGMENTS]),
        left_out=max(0, len(segments) - _MOST_SEGMENTS),
    )


def _segment(segment: Segment, version: str, is_one_of_many: bool) -> ContentSegment:
    names = _field_names(segment.name, version)
    fields = []
    for number in range(1, _MOST_FIELDS):
        value = segment.sent(number)
        if value:
            fields.append(
                ContentField(
                    place=f"{segment.name}-{number}",
                    name=names[number - 1] if number <= len(names) else "",
                    value=value[:_LONGEST],
                    left_out=max(0, len(value) - _LONGEST),
                )
            )
    label = f"{segment.name} {segment.index}" if is_one_of_many else segment.name
    return ContentSegment(label=label, fields=tuple(fields))


@lru_cache(maxsize=2048)
def _field_names(segment: str, version: str) -> Sequence[str]:
    """HL7's own, from hl7apy's tables; none for a Z-segment or a version that they lack."""
    import hl7apy
    from hl7apy.exceptions import HL7apyException

    try:
        _, fields, *_ = hl7apy.load_reference(segment, "Segment", _WITHOUT_TABLES.get(version, version))
    except (HL7apyException, KeyError, ValueError, TypeError):
        return ()
    return tuple(_readable(str(each[1][3])) for each in fields)


def _readable(long_name: str) -> str:
    return long_name.replace("_", " ").capitalize()


def _json(body: bytes) -> Content:
    try:
        text = json.dumps(orjson.loads(body), ensure_ascii=False, indent=2)
    except (orjson.JSONDecodeError, RecursionError):  # json gives up at nesting that orjson still reads
        text = body.decode("utf-8", "backslashreplace")
    return _text(text, size=len(body), charset="utf-8")


def _text(text: str, *, size: int, charset: str) -> Content:
    most = _LONGEST * 100
    return Content(size=size, charset=charset, text=text[:most], left_out=max(0, len(text) - most))
