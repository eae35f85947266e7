"""What the sweeper and the operations page ask: which bells to ring, where work stands still."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, func, or_, select, update

from adapters.store.scope import Scope
from adapters.store.steps import LIVE, due, read_step, step_columns
from adapters.store.tables import paused_queues, stages, steps
from service.model import StageHealth, Step, StepState

_BATCH = 500  # ids in one statement; SQLite and PostgreSQL both cap the number of parameters


def due_steps(
    scope: Scope, *, unrung_for: timedelta, limit: int, queues: Sequence[str] | None = None
) -> Sequence[Step]:
    """The longest due of each name, then the second of each, and so on: a flood of one name delays no other."""
    turn = func.row_number().over(partition_by=steps.c.name, order_by=(steps.c.not_before, steps.c.id)).label("turn")
    unrung = or_(steps.c.rung_at.is_(None), steps.c.rung_at <= scope.now - unrung_for)
    found = select(steps.c.id, turn).where(due(scope.now), unrung)
    if queues is not None:
        found = found.where(steps.c.queue.in_(queues))
    in_turn = found.subquery()
    query = (
        select(*step_columns)
        .join(in_turn, in_turn.c.id == steps.c.id)
        .order_by(in_turn.c.turn, steps.c.not_before, steps.c.id)
    )
    return [read_step(row) for row in scope.connection.execute(query.limit(limit))]


def attended_queues(scope: Scope, *, within: timedelta) -> Sequence[str]:
    taken = steps.c.started_at > scope.now - within
    held = and_(steps.c.state == StepState.RUNNING.value, steps.c.lease_until > scope.now)
    return list(scope.connection.scalars(select(steps.c.queue).where(or_(taken, held)).distinct()))


def mark_rung(scope: Scope, step_ids: Sequence[str]) -> None:
    for start in range(0, len(step_ids), _BATCH):
        batch = step_ids[start : start + _BATCH]
        scope.connection.execute(update(steps).where(steps.c.id.in_(batch)).values(rung_at=scope.now))


def dead_steps(scope: Scope) -> Sequence[Step]:
    """Oldest first."""
    query = select(*step_columns).where(steps.c.state == StepState.DEAD.value).order_by(steps.c.created_at, steps.c.id)
    return [read_step(row) for row in scope.connection.execute(query)]


def health(scope: Scope) -> Sequence[StageHealth]:
    """The oldest age is that of unfinished work; a dead step waits for a person and has its own column."""
    counts: dict[str, dict[str, Row[Any]]] = {}
    counted = select(
        steps.c.name, steps.c.state, func.count().label("number"), func.min(steps.c.created_at).label("oldest")
    )
    for states in ([*LIVE], [StepState.DEAD.value]):  # two queries: each has its partial index
        for row in scope.connection.execute(
            counted.where(steps.c.state.in_(states)).group_by(steps.c.name, steps.c.state)
        ):
            counts.setdefault(row.name, {})[row.state] = row
    paused = set(paused_queues_of(scope))
    queues: dict[str, set[str]] = {}
    for row in scope.connection.execute(select(stages).order_by(stages.c.name)):
        queues.setdefault(row.name, set()).add(row.queue)
    return [_stage(scope, name, counts.get(name, {}), paused=bool(paused & queues[name])) for name in queues]


def _stage(scope: Scope, name: str, counts: dict[str, Row[Any]], *, paused: bool) -> StageHealth:
    number = {state: row.number for state, row in counts.items()}
    unfinished = [row.oldest for state, row in counts.items() if state in LIVE]
    return StageHealth(
        stage=name,
        waiting=number.get(StepState.WAITING.value, 0),
        running=number.get(StepState.RUNNING.value, 0),
        failed=number.get(StepState.FAILED.value, 0),
        dead=number.get(StepState.DEAD.value, 0),
        oldest_age_seconds=max(0.0, (scope.now - min(unfinished)).total_seconds()) if unfinished else None,
        paused=paused,
    )


def pause(scope: Scope, queue: str, paused: bool) -> None:
    if paused:
        scope.insert_new(paused_queues, {"queue": queue, "paused_at": scope.now})
    else:
        scope.connection.execute(delete(paused_queues).where(paused_queues.c.queue == queue))


def paused_queues_of(scope: Scope) -> Sequence[str]:
    return list(scope.connection.scalars(select(paused_queues.c.queue).order_by(paused_queues.c.queue)))
