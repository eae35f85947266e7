"""Case keys and times: where ADT and FHIR must come to the same words for the same visit."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

BERLIN: Final = ZoneInfo("Europe/Berlin")
NO_AUTHORITIES: Final[Mapping[str, str]] = MappingProxyType({})

_DTM = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6})\d*)?)?)?)?)?)?([+-]\d{4})?", re.ASCII
)


def visit_key(authority: str, visit: str) -> str:
    """``authority|visit number``; a bar inside a part is written ``%7C``, so that the parts can be told apart."""
    return f"{_part(authority)}|{_part(visit)}"


def stay_key(authority: str, patient: str, admitted_at: str) -> str:
    """``authority|patient|admission time`` for a visit without a number."""
    return f"{_part(authority)}|{_part(patient)}|{admitted_at}"


def _part(text: str) -> str:
    return text.replace("|", "%7C")


def read_hl7_time(text: str, local: tzinfo) -> str:
    """DTM (``YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ]``) as ISO 8601 in UTC, ``""`` if it is none.

    Without an offset it is ``local`` time; what is not given is the start of that year, month, day.
    """
    match = _DTM.fullmatch(text.strip())
    if match is None:
        return ""
    *parts, fraction, offset = match.groups()
    year, month, day, hour, minute, second = (int(part or start) for part, start in zip(parts, "011000", strict=True))
    try:
        zone = _offset(offset) if offset else local
        microsecond = int((fraction or "0").ljust(6, "0"))
        # A leap second has no place in datetime; the second before is right to within its length.
        moment = datetime(year, month, day, hour, minute, min(second, 59), microsecond, tzinfo=zone)
        return _in_utc(moment)
    except (ValueError, OverflowError):
        return ""


def read_fhir_time(text: str, local: tzinfo) -> str:
    """FHIR dateTime or instant (``2026``, ``2026-03``, ``2026-03-12``, with time and offset) likewise."""
    padded = text.strip() + "0001-01-01"[len(text.strip()) :] if len(text.strip()) in (4, 7) else text.strip()
    try:
        moment = datetime.fromisoformat(padded)
        return _in_utc(moment if moment.tzinfo else moment.replace(tzinfo=local))
    except (ValueError, OverflowError):
        return ""


def _offset(text: str) -> timezone:
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _in_utc(moment: datetime) -> str:
    """``+00:00``, not ``Z``: with it, texts with and without fractions sort in the order of time."""
    return moment.astimezone(UTC).isoformat()


def iso_date(text: str) -> str:
    """An HL7 date or time as ``2026-03-12``, ``2026-03`` or ``2026``; ``""`` if it is none."""
    match = _DTM.fullmatch(text.strip())
    if match is None:
        return ""
    year, month, day = match.groups()[:3]
    try:
        datetime(int(year), int(month or 1), int(day or 1))  # noqa: DTZ001 - only whether the day exists
    except ValueError:
        return ""
    return "-".join(part for part in (year, month, day) if part)
