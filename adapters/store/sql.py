"""``service.ports.Store`` on SQLite and PostgreSQL. The statements live in the files beside this one."""

import os
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select

from adapters.keys import KeyRing
from adapters.store import audit as chain
from adapters.store import browse, cases, cursors, identity, keeping, messages, steps, tables, watch
from adapters.store.engine import open_engine, transaction
from adapters.store.migrate import newest_revision, revision
from adapters.store.scope import Clock, Scope, utcnow
from service.errors import KeyMissing, StoreUnavailable
from service.identity import Alias
from service.model import (
    AuditEntry,
    Case,
    CaseState,
    Event,
    HourCount,
    Lang,
    ListedMessage,
    MessageFilter,
    NewMessage,
    SealedMessage,
    Signature,
    StageHealth,
    Start,
    Step,
    StoredMessage,
)
from service.visit import Turn


class SqlTransaction:
    """``service.ports.Transaction``; see there."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._remarks: list[chain.Remark] = []

    # messages
    def add_message(
        self,
        *,
        channel: str,
        sender: str,
        control_id: str,
        body: bytes,
        ack_code: str | None,
        state: str = "stored",
        error_code: str | None = None,
        kind: str = "",
    ) -> tuple[str, bool]:
        (added,) = keeping.add_messages(
            self._scope, [NewMessage(channel, sender, control_id, body, ack_code, state, error_code, kind)]
        )
        return added

    def add_messages(self, new: Sequence[NewMessage | SealedMessage]) -> Sequence[tuple[str, bool]]:
        return keeping.add_messages(self._scope, new)

    def message(self, message_id: str) -> StoredMessage:
        return messages.message(self._scope, message_id)

    def file_message(
        self,
        message_id: str,
        *,
        case_id: str | None,
        event: Event,
        event_time: str,
        state: str,
        start: Start | None = None,
        patient_key: str | None = None,
        former_patient_key: str | None = None,
        recorded_at: str = "",
    ) -> None:
        messages.file_message(
            self._scope,
            message_id,
            case_id=case_id,
            event=event,
            event_time=event_time,
            state=state,
            start=start,
            patient_key=patient_key,
            former_patient_key=former_patient_key,
            recorded_at=recorded_at,
        )

    def messages_of(self, case_id: str) -> Sequence[StoredMessage]:
        return messages.messages_of(self._scope, case_id)

    # identity
    def lock_identity(self, *, changing: bool) -> None:
        identity.lock_identity(self._scope, changing=changing)

    def turns_of(self, case_id: str) -> Sequence[Turn]:
        return identity.turns_of(self._scope, case_id)

    def move_messages(self, case_id: str, *, to: str) -> int:
        return identity.move_messages(self._scope, case_id, to=to)

    def set_patients(self, case_id: str, patients: Collection[str]) -> None:
        identity.set_patients(self._scope, case_id, patients)

    def cases_of_patients(self, patient_keys: Collection[str]) -> Sequence[Case]:
        return identity.cases_of_patients(self._scope, patient_keys)

    def add_alias(
        self, within: identity.AliasScope, *, former: str, present: str, message_id: str, event_time: str
    ) -> None:
        identity.add_alias(
            self._scope, within, former=former, present=present, message_id=message_id, event_time=event_time
        )

    def aliases_of(self, within: identity.AliasScope, keys: Collection[str]) -> Sequence[Alias]:
        return identity.aliases_of(self._scope, within, keys)

    def is_control_id_reused(self, message_id: str) -> bool:
        return identity.is_control_id_reused(self._scope, message_id)

    def flag_message(self, message_id: str, error_code: str | None) -> None:
        identity.flag_message(self._scope, message_id, error_code)

    def list_messages(
        self, wanted: MessageFilter, *, limit: int, before: str | None = None, after: str | None = None
    ) -> Sequence[ListedMessage]:
        return browse.list_messages(self._scope, wanted, limit=limit, before=before, after=after)

    def listed_message(self, message_id: str) -> ListedMessage:
        return browse.listed_message(self._scope, message_id)

    def count_messages(self, *, since: datetime) -> Sequence[HourCount]:
        return browse.count_messages(self._scope, since=since)

    def steps_about(self, message_id: str) -> Sequence[Step]:
        return browse.steps_about(self._scope, message_id)

    # cases
    def case(self, case_id: str) -> Case:
        return cases.case(self._scope, case_id)

    def case_by_key(self, key: str) -> Case | None:
        return cases.case_by_key(self._scope, key)

    def add_case(self, key: str, *, lang: Lang) -> Case:
        return cases.add_case(self._scope, key, lang=lang)

    def save_case(self, case: Case) -> Case:
        return cases.save_case(self._scope, case)

    def cases(self, *, states: Sequence[CaseState] = (), limit: int = 200) -> Sequence[Case]:
        return cases.list_cases(self._scope, states=states, limit=limit)

    # payloads
    def put(self, kind: str, case_id: str, generation: int, payload: Mapping[str, Any]) -> None:
        cases.put(self._scope, kind, case_id, generation, payload)

    def get(self, kind: str, case_id: str, generation: int | None = None) -> dict[str, Any] | None:
        return cases.get(self._scope, kind, case_id, generation)

    # steps
    def add_step(
        self,
        name: str,
        queue: str,
        *,
        case_id: str | None = None,
        subject: str = "",
        generation: int = 0,
        not_before: datetime | None = None,
    ) -> Step:
        return steps.add_step(
            self._scope,
            name,
            queue,
            case_id=case_id,
            subject=subject,
            generation=generation,
            not_before=not_before,
        )

    def add_steps(self, name: str, queue: str, subjects: Sequence[str]) -> Sequence[str]:
        return keeping.add_steps(self._scope, name, queue, subjects)

    def step(self, step_id: str) -> Step:
        return steps.step(self._scope, step_id)

    def steps_of(self, case_id: str) -> Sequence[Step]:
        return steps.steps_of(self._scope, case_id)

    def cancel_steps(self, case_id: str, *, names: Sequence[str] = ()) -> int:
        return steps.cancel_steps(self._scope, case_id, names=names)

    def claim(self, step_id: str, *, lease: timedelta) -> Step | None:
        return steps.claim(self._scope, step_id, lease=lease)

    def renew(self, step: Step, *, lease: timedelta) -> None:
        steps.renew(self._scope, step, lease=lease)

    def finish(self, step: Step) -> None:
        steps.finish(self._scope, step)

    def fail(self, step: Step, *, code: str, text: str, retry_at: datetime | None) -> None:
        steps.fail(self._scope, step, code=code, text=text, retry_at=retry_at)

    def release(self, step: Step) -> None:
        steps.release(self._scope, step)

    def replay(self, step_id: str) -> Step:
        return steps.replay(self._scope, step_id)

    def due_steps(
        self, *, unrung_for: timedelta, limit: int = 500, queues: Sequence[str] | None = None
    ) -> Sequence[Step]:
        return watch.due_steps(self._scope, unrung_for=unrung_for, limit=limit, queues=queues)

    def attended_queues(self, *, within: timedelta) -> Sequence[str]:
        return watch.attended_queues(self._scope, within=within)

    def mark_rung(self, step_ids: Sequence[str]) -> None:
        watch.mark_rung(self._scope, step_ids)

    def dead_steps(self) -> Sequence[Step]:
        return watch.dead_steps(self._scope)

    def health(self) -> Sequence[StageHealth]:
        return watch.health(self._scope)

    def pause(self, queue: str, paused: bool) -> None:
        watch.pause(self._scope, queue, paused)

    def paused_queues(self) -> Sequence[str]:
        return watch.paused_queues_of(self._scope)

    # cursors
    def cursor(self, name: str) -> str | None:
        return cursors.cursor(self._scope, name)

    def set_cursor(self, name: str, value: str) -> None:
        cursors.set_cursor(self._scope, name, value)

    # signature and audit
    def add_signature(self, signature: Signature) -> None:
        cases.add_signature(self._scope, signature)

    def signature(self, case_id: str) -> Signature | None:
        return cases.signature(self._scope, case_id)

    def audit(self, actor: str, action: str, *, case_id: str | None = None, detail: str = "") -> None:
        """Takes its place in the chain when the transaction ends."""
        self._remarks.append(chain.Remark(actor=actor, action=action, case_id=case_id, detail=detail))

    def audit_trail(self) -> Sequence[AuditEntry]:
        self.settle()
        return chain.trail(self._scope)

    def check_audit(self) -> chain.ChainCheck:
        """Is the audit trail whole? For ``epikrise audit verify``."""
        self.settle()
        return chain.check_trail(self._scope)

    def settle(self) -> None:
        """Write what was held back until the end."""
        remarks, self._remarks = self._remarks, []
        chain.append(self._scope, remarks)


class SqlStore:
    """``service.ports.Store``. Share one between threads; a forked child gets fresh connections by itself."""

    def __init__(self, engine: Engine, keyring: KeyRing, *, clock: Clock) -> None:
        self._engine = engine
        self._keyring = keyring
        self._clock = clock
        self._stages: frozenset[tuple[str, str]] = frozenset()  # committed: nobody removes one
        _drop_connections_in_children(engine)

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        """Raises StoreUnavailable."""
        noted = set(self._stages)
        with transaction(self._engine) as connection:
            scope = Scope(connection=connection, keyring=self._keyring, now=self._clock(), noted_stages=noted)
            opened = SqlTransaction(scope)
            yield opened
            opened.settle()
        self._stages = frozenset(noted)

    def seal(self, new: NewMessage) -> SealedMessage:
        """What of keeping a message needs no database, for callers who have a thread of their own to do it in."""
        return keeping.seal_message(self._keyring, new)

    @contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        """A transaction that only reads: one consistent picture, no locks, in nobody's way. For lists, health
        and metrics; writing in it raises StoreUnavailable."""
        with transaction(self._engine, read_only=True) as connection:
            yield SqlTransaction(Scope(connection=connection, keyring=self._keyring, now=self._clock(), read_only=True))

    def check(self) -> None:
        """Raises StoreUnavailable, also where its tables are older or newer than this program; KeyMissing."""
        with transaction(self._engine, read_only=True) as connection:
            at, wanted = revision(connection), newest_revision()
            if at != wanted:
                raise StoreUnavailable(f"its tables are at revision {at}, not {wanted}", remedy="run the migrations")
            used = set(connection.scalars(select(tables.key_ids.c.id)))
        absent = sorted(used - set(self._keyring.ids))
        if absent:
            raise KeyMissing(", ".join(absent), remedy="restore the keys folder from its backup")

    def note_keys(self) -> None:
        """Write down which keys the data may be sealed under."""
        with transaction(self._engine) as connection:
            scope = Scope(connection=connection, keyring=self._keyring, now=self._clock())
            for id_ in self._keyring.ids:
                scope.insert_new(tables.key_ids, {"id": id_, "first_used_at": scope.now})

    def close(self) -> None:
        self._engine.dispose()


def open_store(url: str, keyring: KeyRing, *, clock: Clock = utcnow) -> SqlStore:
    """``sqlite:////path/to/file.db`` or ``postgresql://…``, migrated before (:func:`adapters.store.migrate`).

    Raises WrongSetting, StoreUnavailable, and KeyMissing if the data is sealed under a key not in the ring.
    """
    store = SqlStore(open_engine(url), keyring, clock=clock)
    try:
        store.check()
        store.note_keys()
    except BaseException:
        store.close()
        raise
    return store


def _drop_connections_in_children(engine: Engine) -> None:
    """A prefork worker must not share a socket or a SQLite handle with its parent, nor close the parent's."""
    kept = weakref.ref(engine)

    def drop() -> None:
        engine = kept()
        if engine is not None:
            engine.dispose(close=False)

    os.register_at_fork(after_in_child=drop)
