"""The state of the whole as data, for the operations page, its JSON and the metrics. No PHI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.bootstrap import Installation
from service.errors import BrokerUnavailable
from service.model import Case, CaseState, DeliveryState, StageHealth, Step, StepState
from service.pipeline import JOURNEY, QUEUES
from service.ports import Transaction
from service.subscriptions import OurSubscription, our_subscription

UNSIGNED = (CaseState.DRAFTED, CaseState.IN_INBOX, CaseState.IN_REVIEW)
_ENDED = (StepState.DONE, StepState.CANCELLED)
_SHOWN = 50
_ALL = 100_000


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One case without its content. ``age_seconds``: since its draft was checked, None before; ``next``: the
    unfinished step it waits for, with its state and the code of its last error."""

    id: str
    state: str
    delivery: str
    updated_at: datetime
    age_seconds: float | None
    next: str
    next_state: str
    error_code: str


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What an operator asks first. ``unheard``: bells in the broker by queue, empty where it is away.
    ``subscription``: ours at the EHR when `epikrise serve` last looked; None where none is wanted."""

    at: datetime
    stages: Sequence[StageHealth]
    paused: Sequence[str]
    states: Mapping[str, int]
    delivery: Mapping[str, int]
    unsigned: int
    oldest_unsigned_seconds: float | None
    unheard: Mapping[str, int]
    writer: Mapping[str, Any] | None
    cases: Sequence[CaseRow]
    dead: Sequence[Step]
    subscription: OurSubscription | None


def take_overview(installation: Installation) -> Overview:
    """Read from the store at each call, so that every process tells the same."""
    now = installation.world.clock()
    with installation.store.read() as tx:
        health = {row.stage: row for row in tx.health()}
        cases = tx.cases(limit=_ALL)
        waiting = [case for case in cases if case.state in UNSIGNED]
        ages = [_draft_age(tx.steps_of(case.id), case, now) for case in waiting]
        rows = [_row(case, tx.steps_of(case.id), now) for case in cases[:_SHOWN]]
        writer = _last_writer(tx, cases)
        dead, paused = tx.dead_steps(), tx.paused_queues()
        subscription = our_subscription(tx) if installation.settings.ehr.subscribe != "off" else None
    return Overview(
        at=now,
        stages=[health.get(stage.name) or _idle(stage.name) for stage in JOURNEY],
        paused=list(paused),
        states={state.value: sum(case.state is state for case in cases) for state in CaseState},
        delivery={state.value: sum(case.delivery is state for case in cases) for state in DeliveryState},
        unsigned=len(waiting),
        oldest_unsigned_seconds=max(ages, default=None),
        unheard=_unheard(installation),
        writer=writer,
        cases=rows,
        dead=dead,
        subscription=subscription,
    )


def _idle(name: str) -> StageHealth:
    return StageHealth(stage=name, waiting=0, running=0, failed=0, dead=0, oldest_age_seconds=None)


def _draft_age(steps: Sequence[Step], case: Case, now: datetime) -> float:
    checked = [s.finished_at for s in steps if s.name == "check" and s.generation == case.generation and s.finished_at]
    return max(0.0, (now - max(checked, default=case.created_at)).total_seconds())


def _row(case: Case, steps: Sequence[Step], now: datetime) -> CaseRow:
    ahead = next((step for step in reversed(steps) if step.state not in _ENDED), None)
    return CaseRow(
        id=case.id,
        state=case.state.value,
        delivery=case.delivery.value,
        updated_at=case.updated_at,
        age_seconds=_draft_age(steps, case, now) if case.state in UNSIGNED else None,
        next=ahead.name if ahead else "",
        next_state=ahead.state.value if ahead else "",
        error_code=(ahead.error_code or "") if ahead else "",
    )


def _last_writer(tx: Transaction, cases: Sequence[Case]) -> Mapping[str, Any] | None:
    """Who wrote the newest draft: digests, tokens and seconds of :class:`service.model.WriterInfo`."""
    for case in cases[:_SHOWN]:
        draft = tx.get("draft", case.id)
        if draft is not None and draft["writer"]:
            writer: dict[str, Any] = draft["writer"]
            return writer
    return None


def _unheard(installation: Installation) -> Mapping[str, int]:
    try:
        return installation.bell.unheard(QUEUES)
    except BrokerUnavailable:
        return {}
