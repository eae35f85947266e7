"""Segments and fields in ER7, the bar-and-caret encoding (HL7 v2.5.1, chapter 2)."""

from collections.abc import Iterable
from datetime import date, datetime

from workers.training.synthetic.fhir.elements import ZONE

AUTHORITY = "EPIKRISE-SYN"
"""Assigning authority of record and visit numbers; in FHIR the systems ``urn:epikrise:synthetic:*``."""
ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"}


def text(value: str) -> str:
    """``value`` with the separators escaped."""
    return "".join(ESCAPES.get(character, character) for character in value)


def components(*values: str | None) -> str:
    """Components of a field; empty ones at the end are left out."""
    return "^".join(text(value or "") for value in values).rstrip("^")


def segment(name: str, fields: dict[int, str]) -> str:
    """A segment by HL7's field numbers, from 1; the values are encoded already."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def header(fields: dict[int, str]) -> str:
    """MSH, whose first field is the separator itself."""
    return "MSH|" + "|".join(fields.get(number, "") for number in range(2, max(fields) + 1))


def day(value: date | str) -> str:
    """YYYYMMDD; a date known only to the month or the year stays as short."""
    return (value if isinstance(value, str) else value.isoformat()).replace("-", "")


def moment(value: datetime) -> str:
    return f"{value.replace(tzinfo=ZONE):%Y%m%d%H%M%S%z}"


def message(segments: Iterable[str]) -> bytes:
    """The message as UTF-8 bytes, each segment ended by a carriage return."""
    return "".join(f"{row}\r" for row in segments).encode()
