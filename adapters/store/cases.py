"""Cases, their payloads and their signature."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.exc import IntegrityError

from adapters.store.scope import Scope, new_id
from adapters.store.tables import cases, payloads, signatures
from service.errors import Conflict, NotFound
from service.model import Case, CaseState, DeliveryState, Lang, Signature


def case(scope: Scope, case_id: str) -> Case:
    row = scope.connection.execute(scope.locked(select(cases).where(cases.c.id == case_id))).one_or_none()
    if row is None:
        raise NotFound(f"case {case_id}")
    return read_case(scope, row)


def case_by_key(scope: Scope, key: str) -> Case | None:
    query = select(cases).where(cases.c.key_hash == _key_hash(scope, key))
    row = scope.connection.execute(scope.locked(query)).one_or_none()
    return None if row is None else read_case(scope, row)


def add_case(scope: Scope, key: str, *, lang: Lang) -> Case:
    """Raises Conflict where another transaction was first; the caller tries again and finds its case."""
    new = Case(
        id=new_id(),
        key=key,
        state=CaseState.OPEN,
        delivery=DeliveryState.NONE,
        generation=0,
        version=1,
        lang=lang,
        created_at=scope.now,
        updated_at=scope.now,
    )
    if not scope.insert_new(cases, {"id": new.id, "created_at": new.created_at, **_changing(scope, new)}):
        raise Conflict("this visit has a case already")
    return new


def save_case(scope: Scope, changed: Case) -> Case:
    saved = replace(changed, version=changed.version + 1, updated_at=scope.now)
    statement = update(cases).where(cases.c.id == changed.id, cases.c.version == changed.version)
    try:
        written = scope.connection.execute(statement.values(**_changing(scope, saved)))
    except IntegrityError:
        raise Conflict(f"case {changed.id}: another case has its new key") from None
    if written.rowcount != 1:
        raise Conflict(f"case {changed.id}, version {changed.version}", remedy="read it again")
    return saved


def list_cases(scope: Scope, *, states: Sequence[CaseState], limit: int) -> Sequence[Case]:
    """Newest change first."""
    query = select(cases).order_by(cases.c.updated_at.desc(), cases.c.id.desc()).limit(limit)
    if states:
        query = query.where(cases.c.state.in_([state.value for state in states]))
    return [read_case(scope, row) for row in scope.connection.execute(query)]


def put(scope: Scope, kind: str, case_id: str, generation: int, payload: Mapping[str, Any]) -> None:
    """A generation keeps one payload a kind: what was overwritten is gone, as data protection wants it."""
    try:
        scope.put(
            payloads,
            {
                "case_id": case_id,
                "kind": kind,
                "generation": generation,
                "written_at": scope.now,
                "body": scope.seal_json(dict(payload), _payload_aad(case_id, kind, generation)),
            },
        )
    except IntegrityError:
        raise NotFound(f"case {case_id}") from None


def get(scope: Scope, kind: str, case_id: str, generation: int | None) -> dict[str, Any] | None:
    query = select(payloads.c.generation, payloads.c.body).where(payloads.c.case_id == case_id, payloads.c.kind == kind)
    query = (
        query.order_by(payloads.c.generation.desc()).limit(1)
        if generation is None
        else query.where(payloads.c.generation == generation)
    )
    row = scope.connection.execute(query).one_or_none()
    if row is None:
        return None
    payload: dict[str, Any] = scope.open_json(row.body, _payload_aad(case_id, kind, row.generation))
    return payload


def add_signature(scope: Scope, signed: Signature) -> None:
    try:
        is_first = scope.insert_new(
            signatures,
            {
                "case_id": signed.case_id,
                "generation": signed.generation,
                "revision": signed.revision,
                "signer": signed.signer,
                "signed_at": signed.signed_at,
                "digest": signed.digest,
            },
        )
    except IntegrityError:
        raise NotFound(f"case {signed.case_id}") from None
    if not is_first:
        raise Conflict(f"case {signed.case_id} is signed already")


def signature(scope: Scope, case_id: str) -> Signature | None:
    row = scope.connection.execute(select(signatures).where(signatures.c.case_id == case_id)).one_or_none()
    return None if row is None else Signature(**row._mapping)


def _key_hash(scope: Scope, key: str) -> str:
    return scope.keyring.lookup(key, purpose="case")


def _changing(scope: Scope, current: Case) -> dict[str, Any]:
    return {
        "key_hash": _key_hash(scope, current.key),
        "sealed": scope.seal_json({"key": current.key, "notices": current.notices}, _aad(current.id)),
        "state": current.state.value,
        "delivery": current.delivery.value,
        "generation": current.generation,
        "version": current.version,
        "lang": current.lang,
        "withdrawn_by": current.withdrawn_by,
        "held_from": None if current.held_from is None else current.held_from.value,
        "updated_at": current.updated_at,
    }


def read_case(scope: Scope, row: Row[Any]) -> Case:
    sealed = scope.open_json(row.sealed, _aad(row.id))
    return Case(
        id=row.id,
        key=sealed["key"],
        state=CaseState(row.state),
        delivery=DeliveryState(row.delivery),
        generation=row.generation,
        version=row.version,
        lang=row.lang,
        created_at=row.created_at,
        updated_at=row.updated_at,
        withdrawn_by=row.withdrawn_by,
        held_from=None if row.held_from is None else CaseState(row.held_from),
        notices=tuple(sealed["notices"]),
    )


def _aad(case_id: str) -> str:
    return f"case/{case_id}/sealed"


def _payload_aad(case_id: str, kind: str, generation: int) -> str:
    return f"payload/{case_id}/{kind}/{generation}"
