"""HL7 v2: header rules, event, case and fields (HL7 2.9 chapters 2, 3 and 7)."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Final

from service.intake.answer import ERROR, POSITIVE, REJECTED, answer, is_acknowledgment
from service.intake.identity import BERLIN, NO_AUTHORITIES, iso_date, read_hl7_time, stay_key, visit_key
from service.model import Ack, AckError, Event, Fields, Reading
from service.ports import Message, Segment

EVENTS: Final = {
    "ADT": {
        "A01": Event.ADMIT,
        "A03": Event.DISCHARGE,
        "A08": Event.UPDATE,
        "A13": Event.CANCEL_DISCHARGE,
    },
    "ORU": {"R01": Event.RESULT},
}
VERSIONS: Final = frozenset(
    ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2", "2.9")
)
_UNDERSTOOD = "; ".join(f"{kind} {', '.join(triggers)}" for kind, triggers in EVENTS.items())


def understand(message: Message, *, authorities: Mapping[str, str] = NO_AUTHORITIES, local: tzinfo = BERLIN) -> Reading:
    """What ``message`` means and what its sender is told. Never raises.

    Args:
        authorities: HL7 assigning authority (namespace or universal id) to the name under which ADT and
            FHIR meet, usually the FHIR identifier system of visit numbers.
        local: the zone of times without an offset.

    A refused message is read as far as it goes: its fields are shown, it belongs to no case.
    """
    warnings: list[str] = []
    trigger = _trigger(message)
    ack = acknowledge(message)
    event = Event.IGNORED
    if ack.error is None and not is_acknowledgment(message):
        event = EVENTS[message.type.strip()][trigger]
    event_time = _event_time(message, local, warnings)
    case_key = None
    if event is not Event.IGNORED:
        case_key = _case_key(message, event, event_time, authorities=authorities, local=local, warnings=warnings)
    return Reading(
        control_id=_text(message.control_id),
        type="^".join(part for part in (message.type.strip(), trigger) if part),
        event=event,
        case_key=case_key,
        event_time=event_time,
        fields=_fields(message, event_time),
        starts_letter=_starts_letter(message, event, case_key, warnings),
        ack=ack,
        warnings=tuple(warnings),
    )


def acknowledge(message: Message) -> Ack:
    """What the sender of ``message`` is told: all that has to be known before it is answered. Never raises."""
    fault = None if is_acknowledgment(message) else _find_fault(message, _trigger(message))
    return answer(message, fault[0], fault[1]) if fault else answer(message, POSITIVE)


def _find_fault(message: Message, trigger: str) -> tuple[tuple[str, str], AckError] | None:
    """The first thing that forbids taking the message: acknowledgement codes, and table 0357."""
    header = message.segments("MSH")[0]
    kind = message.type.strip()
    if not kind:
        return ERROR, AckError(code="101", location="MSH-9", text="Required field missing: message type")
    if not _text(message.control_id):
        return ERROR, AckError(code="101", location="MSH-10", text="Required field missing: message control id")
    if kind not in EVENTS:
        text = f"Unsupported message type; understood are {_UNDERSTOOD}"
        return REJECTED, AckError(code="200", location="MSH-9", text=text)
    if trigger not in EVENTS[kind]:
        text = f"Unsupported event code; understood are {_UNDERSTOOD}"
        return REJECTED, AckError(code="201", location="MSH-9", text=text)
    if _text(header.value(11)) not in ("P", "T", "D"):
        return REJECTED, AckError(code="202", location="MSH-11", text="Unsupported processing id; P, T or D")
    if _text(header.value(12)) not in VERSIONS:
        return REJECTED, AckError(code="203", location="MSH-12", text="Unsupported version id; 2.1 to 2.9")
    if kind == "ADT" and not _patient_id(message):
        return ERROR, AckError(code="101", location="PID-3", text="Required field missing: patient identifier")
    if trigger == "A03" and not message.segments("PV1"):
        return ERROR, AckError(code="100", location="PV1", text="Required segment missing: patient visit")
    return None


def _starts_letter(message: Message, event: Event, case_key: str | None, warnings: list[str]) -> bool:
    if event is not Event.DISCHARGE or case_key is None:
        return False
    if _text(message.segments("MSH")[0].value(11)) == "P":
        return True
    warnings.append("MSH-11 is not P (production): a training or debugging message starts no letter")
    return False


def _case_key(
    message: Message,
    event: Event,
    event_time: str,
    *,
    authorities: Mapping[str, str],
    local: tzinfo,
    warnings: list[str],
) -> str | None:
    pv1 = _first(message, "PV1")
    if pv1 is not None and (visit := _text(pv1.value(19))):
        return visit_key(_authority(message, pv1, 19, authorities=authorities, warnings=warnings), visit)
    pid, patient = _first(message, "PID"), _patient_id(message)
    if pid is None or not patient:
        warnings.append("no visit number (PV1-19) and no patient identifier (PID-3): the message belongs to no case")
        return None
    admitted_at = read_hl7_time(pv1.value(44), local) if pv1 else ""
    if admitted_at:
        warnings.append("no visit number (PV1-19): the case is found by patient and admission time (PV1-44)")
    elif event is Event.ADMIT and event_time:
        admitted_at = event_time
        warnings.append("no visit number (PV1-19) and no admission time (PV1-44): the time of the event stands in")
    elif event is Event.DISCHARGE and pv1 and (discharged_at := read_hl7_time(pv1.value(45), local) or event_time):
        # Better a case of its own, which a person sees, than a discharge that starts nothing.
        admitted_at = discharged_at
        warnings.append("no visit number (PV1-19) and no admission time (PV1-44): the discharge is a case of its own")
    else:
        warnings.append("no visit number (PV1-19) and no admission time (PV1-44): the message belongs to no case")
        return None
    authority = _authority(
        message, pid, 3, repetition=_patient_repetition(pid), authorities=authorities, warnings=warnings
    )
    return stay_key(authority, patient, admitted_at)


def _authority(
    message: Message,
    segment: Segment,
    field: int,
    *,
    repetition: int = 1,
    authorities: Mapping[str, str],
    warnings: list[str],
) -> str:
    """CX-4: namespace id, else universal id; else the sending facility (MSH-4), else the application (MSH-3)."""
    namespace, universal, scheme = (
        _text(segment.value(field, component=4, sub=sub, repetition=repetition)) for sub in (1, 2, 3)
    )
    header = message.segments("MSH")[0]
    address = f"urn:oid:{universal}" if universal and scheme == "ISO" else universal
    known = next((name for name in (namespace, universal, address) if name in authorities), None)
    if known is not None:
        return authorities[known]
    if not namespace and address:
        return address
    authority = namespace or _text(header.value(4)) or _text(header.value(3))
    if not authority:
        warnings.append("no assigning authority, sending facility (MSH-4) or application (MSH-3)")
    return authorities.get(authority, authority)


def _event_time(message: Message, local: tzinfo, warnings: list[str]) -> str:
    """EVN-6 (occurred), EVN-2 (recorded); for results OBR-7 (observed), OBR-22 (reported); else MSH-7."""
    places: list[tuple[Segment | None, int]] = [(_first(message, "MSH"), 7)]
    if message.type.strip() == "ORU":
        obr = _first(message, "OBR")
        places = [(obr, 7), (obr, 22), *places]
    else:
        evn = _first(message, "EVN")
        places = [(evn, 6), (evn, 2), *places]
    for segment, field in places:
        if segment is None or not (text := _text(segment.value(field))):
            continue
        if time := read_hl7_time(text, local):
            return time
        warnings.append(f"{segment.name}-{field} is not a time that HL7 knows")
    return ""


def _fields(message: Message, event_time: str) -> Fields:
    pid, pv1 = _first(message, "PID"), _first(message, "PV1")
    return Fields(
        patient_id=_patient_id(message),
        visit=_text(pv1.value(19)) if pv1 else "",
        event_time=event_time,
        family=_text(pid.value(5)) if pid else "",
        given=_text(pid.value(5, component=2)) if pid else "",
        birth_date=iso_date(pid.value(7)) if pid else "",
    )


def _patient_id(message: Message) -> str:
    pid = _first(message, "PID")
    return _text(pid.value(3, repetition=_patient_repetition(pid))) if pid else ""


def _patient_repetition(pid: Segment) -> int:
    """PID-3 repeats; the record number (CX-5 ``MR``) is meant, else the internal ``PI``, else the first."""
    valued = [number for number in range(1, pid.repetitions(3) + 1) if _text(pid.value(3, repetition=number))]
    for wanted in ("MR", "PI"):
        for number in valued:
            if _text(pid.value(3, component=5, repetition=number)) == wanted:
                return number
    return valued[0] if valued else 1


def _trigger(message: Message) -> str:
    """MSH-9.2; before version 2.3 an ADT may name its event in EVN-1 only."""
    evn = _first(message, "EVN")
    return message.trigger.strip() or (_text(evn.value(1)) if evn and message.type.strip() == "ADT" else "")


def _first(message: Message, name: str) -> Segment | None:
    return next(iter(message.segments(name)), None)


def _text(value: str) -> str:
    """``""`` (delete) is no identifier and no name."""
    stripped = value.strip()
    return "" if stripped == '""' else stripped
