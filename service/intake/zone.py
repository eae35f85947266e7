"""The zone of a message's times that have no offset of their own (HL7 2.9 chapter 2.14.9.7, MSH-7).

An offset in MSH-7 is the default of the whole message; without it, times are those of the hospital.
"""

from datetime import UTC, datetime, timedelta, timezone, tzinfo

from service.intake.identity import read_hl7_time
from service.intake.numbers import first
from service.ports import Message


def zone_of(message: Message, local: tzinfo) -> tzinfo:
    """MSH-7's offset, else ``local``."""
    header = first(message, "MSH")
    offset = header.offset(7) if header else ""
    if not offset:
        return local
    minutes = int(offset[1:3]) * 60 + int(offset[3:5])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def lasting_zone_of(message: Message, local: tzinfo) -> tzinfo:
    """The zone for a time that has to read alike in every message of a visit: the time of its admission.

    A sender in ``local`` writes +0100 in winter and +0200 in summer beside the same admission: an offset that
    ``local`` has when the message is written is therefore taken for ``local`` itself.
    """
    zone, header = zone_of(message, local), first(message, "MSH")
    if zone is local or header is None or not (written := read_hl7_time(header.value(7), zone)):
        return zone
    at = datetime.fromisoformat(written).astimezone(UTC)
    return local if at.astimezone(local).utcoffset() == at.astimezone(zone).utcoffset() else zone
