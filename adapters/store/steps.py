"""Steps: work that waits, is held under a lease, and ends exactly once.

A claim is one conditional UPDATE: of any number of workers that try, the database lets one through. Each
claim raises the fencing token, and whatever a worker writes about its step must bear the newest one.
Leases run by the clock of whoever asks, so hosts need NTP; a skewed clock costs a wasted attempt, never a
second effect, because the token decides and not the time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Update, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from adapters.store.scope import Scope, new_id, storable
from adapters.store.tables import paused_queues, stages, steps
from service.errors import LostLease, NotAllowed, NotFound
from service.model import Step, StepState

_WAITING, _RUNNING, _FAILED, _DEAD = (
    StepState.WAITING.value,
    StepState.RUNNING.value,
    StepState.FAILED.value,
    StepState.DEAD.value,
)
LIVE = (_WAITING, _RUNNING, _FAILED)
_ERROR_TEXT = 2000  # characters; an error says codes and places, so more than this is a mistake

step_columns = [column for column in steps.c if column.name != "rung_at"]


def add_step(
    scope: Scope,
    name: str,
    queue: str,
    *,
    case_id: str | None,
    subject: str,
    generation: int,
    not_before: datetime | None,
) -> Step:
    """The live step with this case, name, generation and subject if there is one, else a new one."""
    new = Step(
        id=new_id(),
        name=name,
        queue=queue,
        case_id=case_id,
        subject=subject,
        generation=generation,
        state=StepState.WAITING,
        attempts=0,
        token=0,
        created_at=scope.now,
        not_before=not_before or scope.now,
    )
    values = {column.name: getattr(new, column.name) for column in step_columns} | {"state": _WAITING, "rung_at": None}
    if (name, queue) not in scope.noted_stages:
        scope.insert_new(stages, {"name": name, "queue": queue})
        scope.noted_stages.add((name, queue))
    while True:
        try:
            if scope.insert_new(steps, values):
                return new
        except IntegrityError:
            raise NotFound(f"case {case_id}") from None
        live = scope.connection.execute(
            select(*step_columns).where(
                func.coalesce(steps.c.case_id, "") == (case_id or ""),
                steps.c.name == name,
                steps.c.generation == generation,
                steps.c.subject == subject,
                steps.c.state.in_(LIVE),
            )
        ).one_or_none()
        if live is not None:
            return read_step(live)
        # it ended between the two statements (PostgreSQL): the place is free now


def step(scope: Scope, step_id: str) -> Step:
    row = scope.connection.execute(select(*step_columns).where(steps.c.id == step_id)).one_or_none()
    if row is None:
        raise NotFound(f"step {step_id}")
    return read_step(row)


def steps_of(scope: Scope, case_id: str) -> Sequence[Step]:
    """Oldest first."""
    query = select(*step_columns).where(steps.c.case_id == case_id).order_by(steps.c.id)
    return [read_step(row) for row in scope.connection.execute(query)]


def cancel_steps(scope: Scope, case_id: str, *, names: Sequence[str]) -> int:
    statement = (
        update(steps)
        .where(steps.c.case_id == case_id, steps.c.state.in_([*LIVE, _DEAD]))
        .values(state=StepState.CANCELLED.value, lease_until=None, finished_at=scope.now)
    )
    if names:
        statement = statement.where(steps.c.name.in_(names))
    return scope.connection.execute(statement).rowcount


def claim(scope: Scope, step_id: str, *, lease: timedelta) -> Step | None:
    taken = scope.connection.execute(
        update(steps)
        .where(steps.c.id == step_id, due(scope.now))
        .values(
            state=_RUNNING,
            token=steps.c.token + 1,
            attempts=steps.c.attempts + 1,
            lease_until=scope.now + lease,
            started_at=scope.now,
            finished_at=None,
        )
        .returning(*step_columns)
    ).one_or_none()
    return None if taken is None else read_step(taken)


def due(now: datetime) -> ColumnElement[bool]:
    """What may be claimed, and therefore what the sweeper rings for."""
    ready = and_(steps.c.state.in_([_WAITING, _FAILED]), steps.c.not_before <= now)
    abandoned = and_(steps.c.state == _RUNNING, steps.c.lease_until <= now)
    return and_(or_(ready, abandoned), steps.c.queue.not_in(select(paused_queues.c.queue)))


def renew(scope: Scope, held: Step, *, lease: timedelta) -> None:
    _change_held(scope, held, update(steps).values(lease_until=scope.now + lease))


def finish(scope: Scope, held: Step) -> None:
    _change_held(
        scope,
        held,
        update(steps).values(
            state=StepState.DONE.value, lease_until=None, finished_at=scope.now, error_code=None, error_text=None
        ),
    )


def fail(scope: Scope, held: Step, *, code: str, text: str, retry_at: datetime | None) -> None:
    values: dict[str, Any] = {"lease_until": None, "rung_at": None, "finished_at": scope.now}
    values |= {"error_code": storable(code)[:64], "error_text": storable(text)[:_ERROR_TEXT]}
    if retry_at is None:
        values |= {"state": _DEAD}
    else:
        values |= {"state": _FAILED, "not_before": retry_at}
    _change_held(scope, held, update(steps).values(**values))


def release(scope: Scope, held: Step) -> None:
    _change_held(
        scope,
        held,
        update(steps).values(state=_WAITING, attempts=steps.c.attempts - 1, lease_until=None, rung_at=None),
    )


def _change_held(scope: Scope, held: Step, statement: Update) -> None:
    changed = scope.connection.execute(
        statement.where(steps.c.id == held.id, steps.c.token == held.token, steps.c.state == _RUNNING)
    )
    if changed.rowcount != 1:
        raise LostLease(f"step {held.id}, token {held.token}")


def replay(scope: Scope, step_id: str) -> Step:
    dead = step(scope, step_id)
    statement = (
        update(steps)
        .where(steps.c.id == step_id, steps.c.state == _DEAD)
        .values(state=_WAITING, attempts=0, not_before=scope.now, finished_at=None, rung_at=None)
        .returning(*step_columns)
    )
    try:
        row = scope.connection.execute(statement).one_or_none()
    except IntegrityError:
        raise NotAllowed(f"step {step_id}: the same step of this case is under way already") from None
    if row is None:
        raise NotAllowed(f"step {step_id} is {dead.state.value}, not dead")
    return read_step(row)


def read_step(row: Row[Any]) -> Step:
    return Step(**{**row._mapping, "state": StepState(row.state)})
