"""Dates and times as FHIR R4 (2.24.0.1) and HL7 v2 (2.A.22, DTM) write them.

A clock with an offset is kept as written: that is what the patient was told. Only what is given in
UTC is turned into the hospital's zone, and what has no offset is in it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")

_local: ContextVar[tzinfo] = ContextVar("local", default=BERLIN)
"""Of the chart that is being built: every reader of every field would have to hand it on."""

_FHIR = re.compile(
    r"(?P<y>\d{4})(?:-(?P<m>\d\d)(?:-(?P<d>\d\d)"
    r"(?:[T ](?P<H>\d\d):(?P<M>\d\d)(?::(?P<S>\d\d)(?:\.\d+)?)?(?P<z>Z|[+-]\d\d:?\d\d)?)?)?)?"
)
_HL7 = re.compile(
    r"(?P<y>\d{4})(?:(?P<m>\d\d)(?:(?P<d>\d\d)"
    r"(?:(?P<H>\d\d)(?P<M>\d\d)?(?:(?P<S>\d\d)(?:\.\d+)?)?)?)?)?(?P<z>[+-]\d{4})?"
)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """``date``: ISO, also ``2026-02`` or ``2026``. ``time``: ``HH:MM`` or empty. ``utc``: for comparing."""

    date: str
    time: str
    utc: str


@contextmanager
def local_time(zone: tzinfo) -> Iterator[None]:
    """Within it, ``zone`` is the hospital's; else it is Europe/Berlin."""
    before = _local.set(zone)
    try:
        yield
    finally:
        _local.reset(before)


def read_fhir(text: str) -> Moment | None:
    """A FHIR date, dateTime or instant; None if it is none."""
    return _read(_FHIR.fullmatch(text.strip()))


def read_hl7(text: str, offset: str = "") -> Moment | None:
    """An HL7 DT, TS or DTM; None if it is none.

    Args:
        offset: ``+ZZZZ`` or ``-ZZZZ``, of a time that has none itself (MSH-7); ``""``: the hospital's zone.
    """
    return _read(_HL7.fullmatch(text.strip()), offset)


def _read(match: "re.Match[str] | None", offset: str = "") -> Moment | None:
    if match is None:
        return None
    year, month, day, hour, minute, second, zone = match.group("y", "m", "d", "H", "M", "S", "z")
    try:
        at = datetime(  # noqa: DTZ001 - the zone follows, where one is given
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), min(int(second or 0), 59)
        )
        return _moment(at, month=month, day=day, hour=hour, zone=zone or offset)
    except (ValueError, OverflowError):
        return None


def _moment(at: datetime, *, month: str | None, day: str | None, hour: str | None, zone: str | None) -> Moment:
    if day is None or month is None:
        return Moment(date=f"{at:%Y-%m}" if month else f"{at:%Y}", time="", utc=f"{at:%Y-%m-%d}")
    if hour is None:
        return Moment(date=f"{at:%Y-%m-%d}", time="", utc=f"{at:%Y-%m-%d}")
    offset = _offset(zone)
    aware = at.replace(tzinfo=timezone(offset) if offset is not None else _local.get())
    local = aware.astimezone(_local.get()) if offset == timedelta(0) else aware
    return Moment(
        date=f"{local:%Y-%m-%d}", time=f"{local:%H:%M}", utc=aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )


def _offset(zone: str | None) -> timedelta | None:
    if not zone:
        return None
    if zone == "Z":
        return timedelta(0)
    digits = zone[1:].replace(":", "")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -span if zone[0] == "-" else span


def age_at(birth: str, at: str) -> int | None:
    """Completed years between two full ISO dates; None where one is partial, wrong, or the order is."""
    try:
        born, day = date.fromisoformat(birth), date.fromisoformat(at)
    except ValueError:
        return None
    years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    return years if 0 <= years <= 130 else None
