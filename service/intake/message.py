"""HL7 v2: header rules, event, case and fields (HL7 2.9 chapters 2, 3 and 7)."""

import re
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Final

from service.intake.answer import ERROR, POSITIVE, REJECTED, answer, is_acknowledgment
from service.intake.events import EVENTS, find_event
from service.intake.identity import BERLIN, NO_AUTHORITIES, iso_date, read_hl7_time
from service.intake.numbers import Numbers, find_patient, first, listed_patient_id, text
from service.intake.zone import lasting_zone_of, zone_of
from service.model import Ack, AckError, Event, Fields, Reading
from service.patient_groups import first_part, has_several_patients
from service.ports import Message, Segment

_VERSION: Final = re.compile(r"[Vv]?2\.[1-9](?:\.\d{1,2})?", re.ASCII)
_WITHOUT_PATIENT: Final = ("A20",)


def understand(message: Message, *, authorities: Mapping[str, str] = NO_AUTHORITIES, local: tzinfo = BERLIN) -> Reading:
    """What ``message`` means and what its sender is told. Never raises.

    Args:
        authorities: HL7 assigning authority (namespace or universal id) to the name under which ADT and
            FHIR meet, usually the FHIR identifier system of visit numbers.
        local: the zone of times without an offset, where MSH-7 has none either.

    A refused message is read as far as it goes: its event and its fields are shown, it belongs to no case.
    """
    warnings = list(message.doubts)
    kind, trigger = message.type, message.trigger
    ack = _acknowledge(message, kind, trigger)
    is_taken = ack.error is None and not is_acknowledgment(message)
    is_known = trigger in EVENTS.get(kind, ()) and not is_acknowledgment(message)
    event = find_event(message, kind, trigger, warnings) if is_known else Event.IGNORED
    lead = first_part(message)
    event_time = _event_time(lead, kind, zone_of(message, local), warnings)
    pv1 = first(lead, "PV1")
    lasting = lasting_zone_of(message, local)
    numbers = Numbers(message=lead, trigger=trigger, authorities=authorities, local=lasting, warnings=warnings)
    case_key = numbers.case_key(event, event_time) if is_taken and event is not Event.IGNORED else None
    starts_letter = _starts_letter(message, event, case_key, warnings)
    if is_taken:
        _warn_of_what_is_not_followed(message, kind, trigger, warnings)
    return Reading(
        control_id=text(message.control_id),
        type="^".join(part for part in (kind, trigger) if part),
        event=event,
        case_key=case_key,
        event_time=event_time,
        fields=_fields(lead, event_time, warnings),
        starts_letter=starts_letter,
        ack=ack,
        patient_key=numbers.patient_key() if is_taken else None,
        former_patient_key=numbers.former_patient_key(event) if is_taken else None,
        former_case_key=numbers.former_case_key(event) if is_taken else None,
        department=(text(pv1.value(3)) or text(pv1.value(10))) if pv1 else "",
        patient_class=text(pv1.value(2)) if pv1 else "",
        warnings=tuple(dict.fromkeys(warnings)),
    )


def acknowledge(message: Message) -> Ack:
    """What the sender of ``message`` is told: all that has to be known before it is answered. Never raises."""
    return _acknowledge(message, message.type, message.trigger)


def is_on_trial(message: Message) -> bool:
    """Whether MSH-11 (table 0103) is neither ``P`` (production) nor left out."""
    return text(message.segments("MSH")[0].value(11)) not in ("P", "")


def _acknowledge(message: Message, kind: str, trigger: str) -> Ack:
    fault = None if is_acknowledgment(message) else _find_fault(message, kind, trigger)
    return answer(message, fault[0], fault[1]) if fault else answer(message, POSITIVE)


def _find_fault(message: Message, kind: str, trigger: str) -> tuple[tuple[str, str], AckError] | None:
    """The first thing that forbids taking the message: acknowledgement codes, and table 0357."""
    header = message.segments("MSH")[0]
    if not kind or kind == '""':
        return ERROR, AckError(code="101", location="MSH-9", text="Required field missing: message type")
    if not text(header.value(10)):
        return ERROR, AckError(code="101", location="MSH-10", text="Required field missing: message control id")
    if kind not in EVENTS:
        told = f"Unsupported message type; understood are {', '.join(EVENTS)}"
        return REJECTED, AckError(code="200", location="MSH-9", text=told)
    if trigger not in EVENTS[kind]:
        told = f"Unsupported event code; understood of {kind} are {_in_ranges(sorted(EVENTS[kind]))}"
        return REJECTED, AckError(code="201", location="MSH-9", text=told)
    if text(header.value(11)) not in ("P", "T", "D", ""):
        return REJECTED, AckError(code="202", location="MSH-11", text="Unsupported processing id; P, T or D")
    if (version := text(header.value(12))) and not _VERSION.fullmatch(version):
        return REJECTED, AckError(code="203", location="MSH-12", text="Unsupported version id; 2.1 to 2.9")
    if kind == "ADT" and trigger not in _WITHOUT_PATIENT and find_patient(message) is None:
        return ERROR, AckError(code="101", location="PID-3", text="Required field missing: patient identifier")
    if (kind, trigger) == ("ADT", "A03") and first(message, "PV1") is None:
        return ERROR, AckError(code="100", location="PV1", text="Required segment missing: patient visit")
    return None


def _in_ranges(triggers: Sequence[str]) -> str:
    """``A01-A18 A20 ...``: the sentence must fit into the 250 characters of ERR-8."""
    ranges: list[list[str]] = []
    for trigger in triggers:
        last = ranges[-1][-1] if ranges else ""
        follows = last[:1] == trigger[:1] and last[1:].isdigit() and int(last[1:]) + 1 == int(trigger[1:])
        if follows:
            ranges[-1].append(trigger)
        else:
            ranges.append([trigger])
    return " ".join(each[0] if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in ranges)


def _warn_of_what_is_not_followed(message: Message, kind: str, trigger: str, warnings: list[str]) -> None:
    if not text(message.segments("MSH")[0].value(12)):
        warnings.append("no version (MSH-12): read like version 2.5")
    if not text(message.segments("MSH")[0].value(11)):
        warnings.append("no processing id (MSH-11): taken as P (production)")
    if has_several_patients(message):
        warnings.append("more than one patient in one message: the first is followed, the rest is kept")
    elif kind == "ADT" and (trigger == "A17" or any(len(message.segments(name)) > 1 for name in ("PID", "MRG"))):
        warnings.append("more than one patient or prior number in one message: the first is followed, the rest is kept")


def _starts_letter(message: Message, event: Event, case_key: str | None, warnings: list[str]) -> bool:
    if event is not Event.DISCHARGE or case_key is None:
        return False
    if not is_on_trial(message):
        return True
    warnings.append("MSH-11 is not P (production): a training or debugging message starts no letter")
    return False


def _event_time(message: Message, kind: str, local: tzinfo, warnings: list[str]) -> str:
    """EVN-6 (occurred), EVN-2 (recorded); for results OBR-7 (observed), OBR-22 (reported); else MSH-7."""
    places: list[tuple[Segment | None, int]] = [(first(message, "MSH"), 7)]
    if kind == "ORU":
        obr = first(message, "OBR")
        places = [(obr, 7), (obr, 22), *places]
    else:
        evn = first(message, "EVN")
        places = [(evn, 6), (evn, 2), *places]
    for segment, field in places:
        if segment is None or not (told := text(segment.value(field))):
            continue
        if time := read_hl7_time(told, local):
            return time
        warnings.append(f"{segment.name}-{field} is not a time that HL7 knows")
    return ""


def _fields(message: Message, event_time: str, warnings: list[str]) -> Fields:
    pid, pv1 = first(message, "PID"), first(message, "PV1")
    name = _legal_name(pid) if pid else 1
    born = text(pid.value(7)) if pid else ""
    birth_date = iso_date(born)
    if born and not birth_date:
        warnings.append("PID-7 is not a date that HL7 knows")
    return Fields(
        patient_id=listed_patient_id(message),
        visit=text(pv1.value(19)) if pv1 else "",
        event_time=event_time,
        family=text(pid.value(5, repetition=name)) if pid else "",
        given=text(pid.value(5, component=2, repetition=name)) if pid else "",
        birth_date=birth_date,
    )


def _legal_name(pid: Segment) -> int:
    """Which repetition of PID-5 the chart takes as well: the legal name (XPN-7 ``L``, table 0200), else one without a
    type, else the first."""
    types = [pid.value(5, component=7, repetition=each + 1).strip().upper() for each in range(pid.repetitions(5))]
    return next((types.index(wanted) + 1 for wanted in ("L", "") if wanted in types), 1)
