"""What starts a letter: an institution's rules over one message or resource. Pure.

Rules are asked in their order. A rule speaks up where department, patient class and trigger all fit, and the
first that does decides; a rule that switches a department off speaks up for whatever happens there. What is on
trial (MSH-11 ``T`` or ``D``; ``meta.security`` HTEST) never starts a letter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from service.model import Event, LetterKind, Reading, Start, Trigger

_CLASSES: Final = {
    "AMB": "O",
    "HH": "O",
    "VR": "O",
    "IMP": "I",
    "ACUTE": "I",
    "NONAC": "I",
    "SS": "I",
    "OBSENC": "I",
    "EMER": "E",
    "PRENC": "P",
}
"""FHIR's v3-ActEncounterCode as HL7 v2 table 0004 (PV1-2)."""

_NOT_YET_HERE: Final = ("A05", "A14")
"""Announced, not begun: pre-admission and pending admission."""

_LETTERS: Final = {
    Trigger.DISCHARGE: LetterKind.DISCHARGE,
    Trigger.COURSE_END: LetterKind.END_OF_RADIOTHERAPY,
    Trigger.FOLLOW_UP: LetterKind.FOLLOW_UP,
    Trigger.REQUEST: LetterKind.DISCHARGE,
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    ``departments``/``exclude``: shell patterns over the department (PV1-3.1, else PV1-10; Encounter.serviceType
    or location), whatever its case. ``classes``: of table 0004; empty: any, for a follow-up ``O``. ``trigger``:
    None switches the departments off. ``letter``: None is the trigger's own kind. ``at``: which end of an
    ambulatory visit a follow-up letter is for.
    """

    name: str
    trigger: Trigger | None
    departments: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    letter: LetterKind | None = None
    at: Literal["start", "end"] = "end"

    @property
    def classes_asked(self) -> tuple[str, ...]:
        """Of table 0004; empty: any."""
        return self.classes or (("O",) if self.trigger is Trigger.FOLLOW_UP else ())

    def starts(self, trigger: Trigger, letter: LetterKind | None = None) -> Start:
        return Start(rule=self.name, trigger=trigger, letter=letter or self.letter or _LETTERS[trigger])


BY_DEFAULT: Final = (Rule(name="default", trigger=Trigger.DISCHARGE),)
"""Without rules of its own an institution gets a letter for every discharge."""


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """What a message brings beside its reading.

    ``department``, ``patient_class``: the visit's, as known from earlier messages, for one that names none.
    """

    on_trial: bool = False
    course_completed: bool = False
    department: str = ""
    patient_class: str = ""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """``rule``: the name of the one that decided, empty where none spoke up. ``reason``: for an operator; no PHI.
    ``is_unmatched``: a visit or a course ended, and no rule was for it."""

    start: Start | None
    rule: str
    reason: str
    is_unmatched: bool = False


NOTHING: Final = Occasion()


def decide(rules: Sequence[Rule], reading: Reading, occasion: Occasion = NOTHING) -> Decision:
    """Whether ``reading`` starts a letter, by which rule, and why or why not. Never raises."""
    if reading.event is Event.IGNORED or reading.ack.error is not None:
        return Decision(start=None, rule="", reason="the message tells of no event")
    if occasion.on_trial:
        return Decision(start=None, rule="", reason="a training or debugging message starts no letter")
    happened = _what_happened(reading, occasion)
    if happened and reading.case_key is None:
        return Decision(start=None, rule="", reason="the message names no visit")
    if not happened:
        return Decision(start=None, rule="", reason=f"the event ({reading.event.value}) starts no letter")
    department = reading.department or occasion.department
    patient_class = normal_class(reading.patient_class or occasion.patient_class)
    for rule in rules:
        if not _is_for(rule, department, patient_class):
            continue
        if rule.trigger is None:
            return Decision(start=None, rule=rule.name, reason=f"rule {rule.name!r} switches the department off")
        if (rule.trigger, rule.at if rule.trigger is Trigger.FOLLOW_UP else "") in happened:
            return Decision(
                start=rule.starts(rule.trigger),
                rule=rule.name,
                reason=f"rule {rule.name!r}: {rule.trigger.value.replace('_', ' ')}",
            )
    return Decision(
        start=None,
        rule="",
        reason="no rule is for this department, patient class and event",
        is_unmatched=happened != {(Trigger.FOLLOW_UP, "start")},
    )


def decide_request(
    rules: Sequence[Rule], department: str, patient_class: str, letter: LetterKind | None = None
) -> Decision:
    """Whether a physician who asks gets a draft, and of which kind: ``letter``, else the kind of the first rule
    for requests in the department. Only a rule that switches the department off refuses one."""
    for rule in rules:
        if rule.trigger not in (None, Trigger.REQUEST) or not _is_for(rule, department, normal_class(patient_class)):
            continue
        if rule.trigger is None:
            return Decision(start=None, rule=rule.name, reason=f"rule {rule.name!r} switches the department off")
        start = rule.starts(Trigger.REQUEST, letter)
        return Decision(start=start, rule=rule.name, reason=f"rule {rule.name!r}: request")
    start = Start(rule="", trigger=Trigger.REQUEST, letter=letter or _LETTERS[Trigger.REQUEST])
    return Decision(start=start, rule="", reason="a physician may always ask")


def normal_class(patient_class: str) -> str:
    """A patient class of HL7 v2 table 0004, also where FHIR's word is given."""
    given = patient_class.strip().upper()
    return _CLASSES.get(given, given)


def _what_happened(reading: Reading, occasion: Occasion) -> set[tuple[Trigger, str]]:
    happened: set[tuple[Trigger, str]] = set()
    if reading.event is Event.DISCHARGE:
        happened |= {(Trigger.DISCHARGE, ""), (Trigger.FOLLOW_UP, "end")}
    if reading.event is Event.ADMIT and reading.type.rpartition("^")[2] not in _NOT_YET_HERE:
        happened.add((Trigger.FOLLOW_UP, "start"))
    if occasion.course_completed:
        happened.add((Trigger.COURSE_END, ""))
    return happened


def _is_for(rule: Rule, department: str, patient_class: str) -> bool:
    classes = {normal_class(each) for each in rule.classes_asked}
    if classes and patient_class not in classes:
        return False
    return _fits(rule.departments, department) and not _fits(rule.exclude, department)


def _fits(patterns: Sequence[str], department: str) -> bool:
    return any(fnmatchcase(department.casefold(), pattern.casefold()) for pattern in patterns)
