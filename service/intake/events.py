"""Which event a message type and trigger are (HL7 2.9 table 0003; chapters 3, 4, 6, 7, 9, 10, 12; IHE PAM).

What chapter 3 leaves to the reader is decided so:

- A merge names two *patients* by two numbers (A18 A30 A34 A36 A39 A40), or gives a patient another number
  (A46 A47 A48); a change of visit names two accounts or visits (A35 A41 A42 A49 A50 A51), or moves them
  to another patient (A43 A44 A45).
- Pending events (A14 A15 A16) and their cancels (A25 A26 A27) have not happened: they update.
- A23 deletes a visit and A38 cancels a pre-admission: both undo the admission.
- A20 (a bed), A24 and A37 (links between persons), A29 (a person deleted) change no case.
"""

from typing import Final

from service.model import Event
from service.ports import Message


def _all(event: Event, triggers: str) -> dict[str, Event]:
    return dict.fromkeys(triggers.split(), event)


EVENTS: Final = {
    "ADT": {
        **_all(Event.ADMIT, "A01 A04 A05"),
        **_all(Event.TRANSFER, "A02 A09 A10"),
        **_all(Event.DISCHARGE, "A03"),
        **_all(Event.UPDATE, "A06 A07 A08 A14 A15 A16 A17 A21 A22 A25 A26 A27 A28 A31"),
        **_all(Event.UPDATE, "A52 A53 A54 A55 A60 A61 A62"),
        **_all(Event.CANCEL_ADMIT, "A11 A23 A38"),
        **_all(Event.CANCEL_TRANSFER, "A12 A32 A33"),
        **_all(Event.CANCEL_DISCHARGE, "A13"),
        **_all(Event.MERGE, "A18 A30 A34 A36 A39 A40 A46 A47 A48"),
        **_all(Event.CHANGE_VISIT, "A35 A41 A42 A43 A44 A45 A49 A50 A51"),
        **_all(Event.IGNORED, "A20 A24 A29 A37"),
        "Z99": Event.UPDATE,
    },
    "ORU": _all(Event.RESULT, "R01 R03 R04 R30 R31 R32 R40 W01"),
    "ORM": _all(Event.ORDER, "O01"),
    "OMG": _all(Event.ORDER, "O19"),
    "OML": _all(Event.ORDER, "O21 O33 O35 O39"),
    "OMP": _all(Event.MEDICATION, "O09"),
    "RDE": _all(Event.MEDICATION, "O11 O01 O25 O49"),
    "RDS": _all(Event.MEDICATION, "O13 O01"),
    "RAS": _all(Event.MEDICATION, "O17 O01"),
    "RGV": _all(Event.MEDICATION, "O15 O01"),
    "MDM": {
        **_all(Event.DOCUMENT, "T01 T02 T03 T04 T05 T06 T07 T08 T09 T10"),
        **_all(Event.CANCEL_DOCUMENT, "T11"),
    },
    "SIU": {
        **_all(Event.APPOINTMENT, "S12 S13 S14 S18 S19 S20 S21 S22 S27"),
        **_all(Event.CANCEL_APPOINTMENT, "S15 S16 S17 S26"),
        **_all(Event.IGNORED, "S23 S24"),
    },
    "BAR": {**_all(Event.DIAGNOSIS, "P01 P05 P10 P12"), **_all(Event.IGNORED, "P02 P06")},
    "PPR": _all(Event.DIAGNOSIS, "PC1 PC2 PC3"),
}

WHY_IGNORED: Final = {
    "A20": "A20 tells of a bed, not of a patient: it changes no case",
    "A24": "A24 links two persons without merging them: it changes no case",
    "A29": "A29 deletes a person in the sender's system: its cases stay until a person decides",
    "A37": "A37 ends a link between two persons: it changes no case",
    "P02": "P02 purges an account: it changes no case",
    "P06": "P06 ends an account, not the visit: it changes no case",
    "S23": "S23 blocks a schedule, no patient's appointment: it changes no case",
    "S24": "S24 opens a schedule, no patient's appointment: it changes no case",
    "Z99": "ADT^Z99 is taken as an update of a movement (ZBE-4 UPDATE) only: it changes no case",
}

_ALONE: Final = {"ORU": "R01", "ORM": "O01", "RDE": "O01", "RDS": "O01", "RAS": "O01", "RGV": "O01"}
"""What version 2.1 meant by a type without a trigger."""

_UNDONE: Final = {
    Event.ADMIT: Event.CANCEL_ADMIT,
    Event.TRANSFER: Event.CANCEL_TRANSFER,
    Event.DISCHARGE: Event.CANCEL_DISCHARGE,
}


def name_message(message: Message) -> tuple[str, str]:
    """Type and trigger as table 0003 writes them, ``("ADT", "A03")``; ``""`` for what is not there.

    Either case is read; ``ADT_A03`` and ``ADT^A03^ADT_A03`` are both taken apart. A trigger that MSH-9.2
    lacks is EVN-1's, else MSH-9.3's, else that of a type which has one only.
    """
    header = message.segments("MSH")[0]
    kind, _, structure = header.value(9).strip().upper().partition("_")
    trigger = header.value(9, component=2).strip().strip('"').upper().removeprefix(f"{kind}_")
    if kind and not trigger:
        named = header.value(9, component=3).strip().upper().removeprefix(f"{kind}_")
        trigger = _recorded_trigger(message) or structure or named or _ALONE.get(kind, "")
    return kind, trigger


def find_event(message: Message, kind: str, trigger: str, warnings: list[str]) -> Event:
    """The event of a message that :func:`service.intake.acknowledge` takes.

    ZBE-4 (IHE PAM 3.30.5.7; German profiles also ``DELETE``) outranks the trigger where it undoes the
    movement, since some systems send the trigger of the movement that they cancel.
    """
    event = EVENTS[kind][trigger]
    if kind != "ADT":
        return _told_why(event, trigger, warnings)
    actions = {zbe.value(4).strip().upper() for zbe in message.segments("ZBE")} - {""}
    if trigger == "Z99" and actions != {"UPDATE"}:
        event = Event.IGNORED
    elif event in _UNDONE and actions and actions <= {"CANCEL", "DELETE"}:
        warnings.append(f"ZBE-4 undoes the movement: {trigger} is read as its cancellation")
        return _UNDONE[event]
    if (recorded := _recorded_trigger(message)) and recorded != trigger and recorded in EVENTS["ADT"]:
        warnings.append("EVN-1 names another event than MSH-9: MSH-9 is believed")
    return _told_why(event, trigger, warnings)


def _told_why(event: Event, trigger: str, warnings: list[str]) -> Event:
    if event is Event.IGNORED:
        warnings.append(WHY_IGNORED[trigger])
    return event


def _recorded_trigger(message: Message) -> str:
    evn = next(iter(message.segments("EVN")), None)
    return evn.value(1).strip().strip('"').upper() if evn else ""
