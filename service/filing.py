"""Filing a message that was read: whose it is, which visit it tells of, and what that does to the visit's case.

Everything here is a function of the set of messages told so far, by their own times. Whatever order they arrive in,
the same messages give the same cases: their keys, their messages and their status.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from service import lifecycle
from service.effects import note_start, take_effect
from service.identity import Alias, present_names, present_visit, split_stay
from service.model import Case, CaseState, Event, Start
from service.ports import Transaction
from service.visit import Turn, patients_of, reach, status_of
from service.world import World

_TELLS_WHO_IS_WHO: Final = frozenset({Event.MERGE, Event.CHANGE_VISIT})


@dataclass(frozen=True, kw_only=True)
class _Filing:
    """One message as it is filed; see :func:`file_reading`."""

    message_id: str
    key: str | None
    event: Event
    event_time: str
    start: Start | None
    patient_key: str | None
    former_patient_key: str | None
    former_case_key: str | None
    recorded_at: str


@dataclass(frozen=True, kw_only=True)
class _Visit:
    """A case as it was before the message that is being filed. ``is_other``: it goes by another number now, or took
    another case in. ``before``: what was told of it, where that is not all but this message."""

    case: Case
    is_other: bool = False
    before: Sequence[Turn] | None = None


def file_reading(
    world: World,
    tx: Transaction,
    *,
    message_id: str,
    key: str | None,
    event: Event,
    event_time: str,
    start: Start | None = None,
    patient_key: str | None = None,
    former_patient_key: str | None = None,
    former_case_key: str | None = None,
    recorded_at: str = "",
) -> Case | None:
    """File a message under its case (made if there is none) and let it take effect.

    Args:
        key, patient_key, former_patient_key, former_case_key: of :class:`service.model.Reading`. Without a
            ``key`` the message is filed under no case and belongs to the cases of its patient.
        recorded_at: when the sender recorded the event, ISO 8601 in UTC; empty: the event's time stands in.

    Returns None where it is filed under no case.
    """
    filing = _Filing(
        message_id=message_id,
        key=key,
        event=event,
        event_time=event_time,
        start=start,
        patient_key=patient_key,
        former_patient_key=former_patient_key,
        former_case_key=former_case_key,
        recorded_at=recorded_at,
    )
    tx.lock_identity(changing=event in _TELLS_WHO_IS_WHO or key is None)
    if event in _TELLS_WHO_IS_WHO and key is not None and former_case_key is not None:
        tx.add_alias("visit", former=former_case_key, present=key, message_id=message_id, event_time=event_time)
    if event is Event.MERGE:
        _merge(tx, filing)
        return None
    if key is None:
        _file(tx, filing, None)
        _tell_the_patients_cases(tx, filing)
        return None
    names, present = _names_of(tx, key)
    visit = _find_visit(tx, names, present) or _Visit(case=tx.add_case(present, lang=world.rules.lang))
    _file(tx, filing, visit.case.id)
    return _follow(tx, visit, filing)


def find_case(tx: Transaction, key: str) -> Case | None:
    """The case of a visit under whichever of its numbers; None if there is none."""
    names, present = _names_of(tx, key)
    return next((case for name in (present, *sorted(names)) if (case := tx.case_by_key(name)) is not None), None)


def _file(tx: Transaction, filing: _Filing, case_id: str | None) -> None:
    tx.file_message(
        filing.message_id,
        case_id=case_id,
        event=filing.event,
        event_time=filing.event_time,
        state="understood",
        start=filing.start,
        patient_key=filing.patient_key,
        former_patient_key=filing.former_patient_key if filing.event is Event.CHANGE_VISIT else None,
        recorded_at=filing.recorded_at,
    )


# ---------------------------------------------------------------- one visit


def _follow(tx: Transaction, visit: _Visit, filing: _Filing) -> Case:
    """The case follows what is told of its visit now."""
    case = visit.case
    now = tx.turns_of(case.id)
    before = [turn for turn in now if turn.message_id != filing.message_id] if visit.before is None else visit.before
    patients = patients_of(now)
    tx.set_patients(case.id, patients)
    consequence = lifecycle.follow(
        case,
        before=status_of(before),
        after=status_of(now),
        event=filing.event,
        starts=filing.start is not None,
        on_request=_is_on_request(tx, case),
    )
    case = take_effect(tx, consequence, subject=filing.message_id)
    if case.generation > visit.case.generation:
        _note_start(tx, case, filing)
    is_moved = filing.event is Event.CHANGE_VISIT and bool(before) and patients_of(before)[-1:] != patients[-1:]
    return _identity_changed(tx, case, filing) if is_moved or visit.is_other else case


def _is_on_request(tx: Transaction, case: Case) -> bool:
    begun = tx.get("start", case.id)
    return begun is not None and begun["event"] is None


def _note_start(tx: Transaction, case: Case, filing: _Filing) -> None:
    if filing.start is not None:
        note_start(tx, case, filing.start, event=filing.event, message_id=filing.message_id)
        return
    # it began by something else: two cases became one, or a cancelled visit came back
    for stored in reversed(tx.messages_of(case.id)):
        if stored.start is not None:
            note_start(tx, case, stored.start, event=stored.event, message_id=stored.id)
            return


def _identity_changed(tx: Transaction, case: Case, filing: _Filing) -> Case:
    """The draft names a patient, or lies with a visit, by what no longer holds."""
    if lifecycle.in_review(case):
        known = (tx.get("identity", case.id, case.generation) or {"messages": []})["messages"]
        tx.put("identity", case.id, case.generation, {"messages": [*known, filing.message_id]})
    tx.audit("system", "identity_changed", case_id=case.id, detail=filing.message_id)
    return take_effect(tx, lifecycle.identity_changed(case), subject=filing.message_id)


# ---------------------------------------------------------------- the numbers of a visit


def _names_of(tx: Transaction, key: str) -> tuple[set[str], str]:
    """Every key that a visit ever went by, and the one it goes by now."""
    names, known = {key}, set[str]()
    visits: list[Alias] = []
    patients: dict[str, str] = {}
    while names != known:
        known = set(names)
        for stay in [stay for name in known if (stay := split_stay(name)) is not None]:
            told = present_names(tx.aliases_of("patient", [stay[0]]))
            patients |= told
            names |= {f"{number}|{stay[1]}" for number in told}
        visits = list(tx.aliases_of("visit", names))
        names |= {end for alias in visits for end in (alias.former, alias.present)}
    return names, present_visit(key, visits=visits, patients=patients)


def _find_visit(tx: Transaction, names: Collection[str], present: str) -> _Visit | None:
    """The one case of a visit under whichever of its numbers; several become one, and it gets the present key."""
    found = [case for name in sorted(names) if (case := tx.case_by_key(name)) is not None]
    if not found:
        return None
    first, *others = sorted(found, key=lambda case: _standing(case, present))
    before = tx.turns_of(first.id) if others else None
    for other in others:
        _end_as_merged(tx, other, into=first)
    if others:
        first = replace(first, notices=_with(first.notices, lifecycle.TOOK_A_CASE_IN))
    is_other = bool(others) or first.key != present
    if is_other:
        first = tx.save_case(replace(first, key=present))
    return _Visit(case=first, is_other=is_other, before=before)


def _standing(case: Case, present: str) -> tuple[bool, bool, bool, bool, datetime, str]:
    """Which of several cases of one visit goes on: the one that a person has done most about, then the one under
    the present key, then the oldest."""
    by_person = case.state is CaseState.WITHDRAWN and case.withdrawn_by != "ehr"
    return (
        case.state is not CaseState.SIGNED,
        not lifecycle.in_review(case),
        not by_person,
        case.key != present,
        case.created_at,
        case.id,
    )


def _end_as_merged(tx: Transaction, case: Case, *, into: Case) -> None:
    """Its messages go, and it ends; it gives its key free, which may become the visit's number again."""
    tx.move_messages(case.id, to=into.id)
    tx.set_patients(case.id, ())
    take_effect(tx, lifecycle.merged(replace(case, key=f"{case.key}#{case.id}")))
    tx.audit("system", "merged", case_id=case.id, detail=f"into {into.id}")
    tx.audit("system", "took_in", case_id=into.id, detail=case.id)


def _with(notices: tuple[str, ...], notice: str) -> tuple[str, ...]:
    return notices if notice in notices else (*notices, notice)


# ---------------------------------------------------------------- what names a patient only


def _merge(tx: Transaction, filing: _Filing) -> None:
    """Two numbers, one patient: the former one's cases go with it, and visits without a number get their key anew."""
    former, present = filing.former_patient_key, filing.patient_key
    was, now = {}, {}
    if former is not None and present is not None:
        was = present_names(tx.aliases_of("patient", [former, present]))
        tx.add_alias(
            "patient", former=former, present=present, message_id=filing.message_id, event_time=filing.event_time
        )
        now = present_names(tx.aliases_of("patient", [former, present]))
    _file(tx, filing, None)
    changed = {number for number in now if now[number] != was.get(number, number)}
    told: set[str] = set()
    for case_id in [case.id for case in tx.cases_of_patients(changed)]:
        case = tx.case(case_id)
        visit = None if lifecycle.MERGED in case.notices else _find_visit(tx, *_names_of(tx, case.key))
        if visit is not None and visit.case.id not in told:
            told.add(visit.case.id)
            _follow(tx, replace(visit, is_other=True), filing)
    if filing.key is not None and filing.former_case_key is not None:  # A36: patient and account in one
        visit = _find_visit(tx, *_names_of(tx, filing.key))
        if visit is not None and visit.is_other:
            told.add(visit.case.id)
            _follow(tx, visit, filing)
    if changed:
        others = [case for case in tx.cases_of_patients(set(now)) if case.id not in told]
        _look_again(tx, [case for case in others if case.state is not CaseState.SIGNED], filing)


def _tell_the_patients_cases(tx: Transaction, filing: _Filing) -> None:
    """A result, a new address, an appointment of a patient: each of the visits within whose reach it lies has it."""
    if filing.event is Event.CHANGE_VISIT and filing.former_patient_key is not None:
        # a visit of this patient is another's now, and the message does not say which
        tx.flag_message(filing.message_id, "move_names_no_visit")
        for case in tx.cases_of_patients([filing.former_patient_key]):
            tx.save_case(replace(case, notices=_with(case.notices, "move_names_no_visit")))
    if filing.patient_key is None:
        return
    numbers = {filing.patient_key, *present_names(tx.aliases_of("patient", [filing.patient_key]))}
    _look_again(tx, tx.cases_of_patients(numbers), filing)


def _look_again(tx: Transaction, cases: Iterable[Case], filing: _Filing) -> None:
    for case in cases:
        if filing.event in _TELLS_WHO_IS_WHO or _is_in_reach(tx, case, filing.event_time):
            take_effect(tx, lifecycle.look_again(case), subject=filing.message_id)


def _is_in_reach(tx: Transaction, case: Case, event_time: str) -> bool:
    span = reach(tx.turns_of(case.id))
    if span is None or not event_time:
        return span is not None
    begin, end = span
    at = datetime.fromisoformat(event_time)
    return begin <= at and (end is None or at <= end)
