"""Whose a message is: patients of cases, aliases after merges, the turns of a visit, messages that name no visit.

Patient and visit numbers lie here as keyed hashes; in the clear they stand only in what is sealed.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, and_, delete, or_, select, text, update

from adapters.store.cases import read_case
from adapters.store.scope import Scope
from adapters.store.tables import aliases, case_patients, cases, messages
from service.identity import Alias
from service.model import Case, Event
from service.visit import Turn, reach

AliasScope = Literal["patient", "visit"]

_IDENTITY_LOCK = 0x65706B72  # one number for all of PostgreSQL's advisory locks of this kind
_WHOSE = ("patient_hash", "former_patient_hash")
_OF_WHATEVER_TIME = (Event.MERGE.value, Event.CHANGE_VISIT.value)


def lock_identity(scope: Scope, *, changing: bool) -> None:
    """What tells who is who waits for all that is being filed, and that for it. SQLite's writers come one at a time."""
    if scope.connection.dialect.name == "postgresql":
        shared = "" if changing else "_shared"
        scope.connection.execute(text(f"SELECT pg_advisory_xact_lock{shared}({_IDENTITY_LOCK})"))


def patient_hash(scope: Scope, patient_key: str | None) -> str | None:
    return scope.keyring.lookup(patient_key, purpose="patient") if patient_key else None


# ---------------------------------------------------------------- turns


_turn_columns = [
    column
    for column in messages.c
    if column.name in ("id", "event", "event_time", "received_at", "recorded_at", "start", *_WHOSE)
]


def turns_of(scope: Scope, case_id: str) -> Sequence[Turn]:
    rows = scope.connection.execute(select(*_turn_columns).where(messages.c.case_id == case_id))
    return [_turn(row) for row in rows if row.event is not None]


def _turn(row: Row[Any]) -> Turn:
    at = moment(row.event_time, row.received_at)
    return Turn(
        event=Event(row.event),
        at=at,
        recorded=moment(row.recorded_at, at),
        starts=row.start is not None,
        patient=row.patient_hash,
        former_patient=row.former_patient_hash,
        message_id=row.id,
    )


def moment(told: str, otherwise: datetime) -> datetime:
    """A stored ISO 8601 time; ``otherwise`` for none."""
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        at = otherwise
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def move_messages(scope: Scope, case_id: str, *, to: str) -> int:
    statement = update(messages).where(messages.c.case_id == case_id).values(case_id=to)
    return scope.connection.execute(statement).rowcount


# ---------------------------------------------------------------- patients


def set_patients(scope: Scope, case_id: str, patients: Collection[str]) -> None:
    """``patients``: the tokens of :class:`Turn`."""
    known = set(
        scope.connection.scalars(select(case_patients.c.patient_hash).where(case_patients.c.case_id == case_id))
    )
    for gone in known.difference(patients):
        scope.connection.execute(
            delete(case_patients).where(case_patients.c.case_id == case_id, case_patients.c.patient_hash == gone)
        )
    for new in set(patients) - known:
        scope.insert_new(case_patients, {"case_id": case_id, "patient_hash": new})


def cases_of_patients(scope: Scope, patient_keys: Collection[str]) -> Sequence[Case]:
    """In the order of their ids, so that two transactions lock them in the same order."""
    hashes = [patient_hash(scope, key) for key in patient_keys]
    linked = select(case_patients.c.case_id).where(case_patients.c.patient_hash.in_(hashes))
    query = select(cases).where(cases.c.id.in_(linked)).order_by(cases.c.id)
    return [read_case(scope, row) for row in scope.connection.execute(scope.locked(query))]


def of_the_patient(scope: Scope, case_id: str) -> Iterator[Row[Any]]:
    """Rows of messages that name no visit and belong to this one's patient, within its reach; what says who the
    patient is, from any time."""
    query = select(case_patients.c.patient_hash).where(case_patients.c.case_id == case_id)
    hashes = set(scope.connection.scalars(query))
    span = reach(turns_of(scope, case_id)) if hashes else None
    if span is None:
        return
    begin, end = span
    bound = _connected(scope, "patient", hashes)
    theirs = hashes.union(*((row.former_hash, row.present_hash) for row in bound))
    query = select(messages).where(
        messages.c.patient_hash.in_(theirs), messages.c.case_id.is_(None), messages.c.state == "understood"
    )
    for row in scope.connection.execute(query.order_by(messages.c.id)):
        at = moment(row.event_time, row.received_at)
        if row.event in _OF_WHATEVER_TIME or (begin <= at and (end is None or at <= end)):
            yield row


# ---------------------------------------------------------------- aliases


def add_alias(scope: Scope, within: AliasScope, *, former: str, present: str, message_id: str, event_time: str) -> None:
    """Telling it again with the same message changes nothing."""
    former_hash = scope.keyring.lookup(former, purpose=within)
    scope.insert_new(
        aliases,
        {
            "scope": within,
            "former_hash": former_hash,
            "message_id": message_id,
            "event_time": event_time,
            "sealed": scope.seal_json({"former": former, "present": present}, _aad(within, former_hash, message_id)),
            "present_hash": scope.keyring.lookup(present, purpose=within),
        },
    )


def aliases_of(scope: Scope, within: AliasScope, keys: Collection[str]) -> Sequence[Alias]:
    """Every alias that these keys are bound up with, over any number of others."""
    hashes = {scope.keyring.lookup(key, purpose=within) for key in keys}
    return [_alias(scope, row) for row in _connected(scope, within, hashes)]


def _alias(scope: Scope, row: Row[Any]) -> Alias:
    sealed = scope.open_json(row.sealed, _aad(row.scope, row.former_hash, row.message_id))
    return Alias(former=sealed["former"], present=sealed["present"], event_time=row.event_time)


def _connected(scope: Scope, within: AliasScope, hashes: Collection[str]) -> Collection[Row[Any]]:
    """One statement where there are none, as mostly."""
    known, frontier = set(hashes), set(hashes)
    rows: dict[tuple[str, str], Row[Any]] = {}
    while frontier:
        touched = or_(aliases.c.former_hash.in_(frontier), aliases.c.present_hash.in_(frontier))
        query = select(aliases).where(and_(aliases.c.scope == within, touched))
        found = scope.connection.execute(query).all()
        rows |= {(row.former_hash, row.message_id): row for row in found}
        frontier = {end for row in found for end in (row.former_hash, row.present_hash)} - known
        known |= frontier
    return rows.values()


def _aad(within: str, former_hash: str, message_id: str) -> str:
    return f"alias/{within}/{former_hash}/{message_id}"


# ---------------------------------------------------------------- control ids


def is_control_id_reused(scope: Scope, message_id: str) -> bool:
    """Whether the same sender gave this MSH-10 to other bytes, kept before this message."""
    own = select(messages.c.sender, messages.c.control_id).where(messages.c.id == message_id).subquery()
    query = select(messages.c.id).where(
        messages.c.control_id == own.c.control_id, messages.c.sender == own.c.sender, messages.c.id < message_id
    )
    return scope.connection.execute(query.limit(1)).first() is not None


def flag_message(scope: Scope, message_id: str, error_code: str | None) -> None:
    scope.connection.execute(update(messages).where(messages.c.id == message_id).values(error_code=error_code))
