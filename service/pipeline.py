"""READ FIRST: what happens to a discharge.

A message arrives and is stored before it is acknowledged; with it, in the same transaction, its first
step. From there the journey is this list. Each step is a row in the store, claimed with a lease and a
fencing token; what it changes is written in the transaction that finishes it, together with the step
that follows. The broker only rings a bell: it carries a step's id and may be lost at any time.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from service import ehr_steps, lifecycle, steps
from service.errors import BrokerUnavailable, EhrUnavailable, EpikriseError, LostLease, NotFound, Recovery
from service.lease import renewing
from service.model import DeliveryState, Step
from service.ports import Transaction
from service.steps import Settle
from service.world import World

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of the journey: its queue, and the function that does it."""

    name: str
    queue: str
    work: Callable[[World, Step], Settle]


JOURNEY: tuple[Stage, ...] = (
    Stage(name="read", queue="intake", work=steps.read),  # bytes -> event -> case
    Stage(name="chart", queue="intake", work=steps.chart),  # messages, EHR resources -> facts with sources
    Stage(name="write", queue="write", work=steps.write),  # facts -> letter of handles, by the model
    Stage(name="check", queue="check", work=steps.check),  # handles -> values; letter against chart
    Stage(name="deliver", queue="deliver", work=ehr_steps.deliver),  # draft -> the EHR's inbox
    # the physician reviews and signs (service.signoff), then
    Stage(name="finalize", queue="deliver", work=ehr_steps.finalize),  # signed text -> the EHR's final document
    # and beside the road
    Stage(name="refresh", queue="intake", work=steps.refresh),  # something new came in after the discharge
    Stage(name="retract", queue="deliver", work=ehr_steps.retract),  # a withdrawn draft leaves the inbox
)
QUEUES = tuple(dict.fromkeys(stage.queue for stage in JOURNEY))
BELLS_UNHEARD = 200
"""Bells of a queue that wait in the broker at most, but for those of relays at the same time."""

_STAGES = {stage.name: stage for stage in JOURNEY}


class Outcome(StrEnum):
    """What became of one attempt."""

    DONE = "done"
    NOT_CLAIMED = "not_claimed"
    RETRY = "retry"
    DEAD = "dead"
    LOST = "lost"


def queue_of(step_name: str) -> str:
    return _STAGES[step_name].queue


def run_step(world: World, step_id: str) -> Outcome:
    """Claim a step, do it, write what it changed, and ring for what follows.

    Safe to call any number of times for the same id, by any number of workers.

    Raises:
        StoreUnavailable: nothing was changed; the sweeper will ring again.
    """
    with world.store.begin() as tx:
        try:
            step = tx.claim(step_id, lease=world.rules.lease)
        except NotFound:
            return Outcome.NOT_CLAIMED
        if step is None:
            return Outcome.NOT_CLAIMED
        if _worker_was_lost_too_often(world, step):
            _bury(world, tx, step, code="worker_lost", text="The worker was lost in this step again and again.")
            return Outcome.DEAD
    outcome = _attempt(world, step)
    relay(world)
    return outcome


def relay(world: World, *, unrung_for: timedelta | None = None) -> int:
    """Ring for due steps whose bell was never rung, or was rung too long ago: relay and sweeper in one.

    A queue gets no more than ``BELLS_UNHEARD``: what lies in the broker beyond what workers can take soon only keeps
    newer work waiting, and each relay, one after each step, fills up again.

    Returns how many were rung; 0 where the broker is away, for they keep in the store.
    """
    try:
        due = _in_need_of_a_bell(world, world.rules.ring_again if unrung_for is None else unrung_for)
        if not due:
            return 0
        world.bell.ring(due)
    except BrokerUnavailable as error:
        _log.warning("bell_not_rung", extra={"error": error.code})
        return 0
    with world.store.begin() as tx:
        tx.mark_rung([step.id for step in due])
    return len(due)


def _in_need_of_a_bell(world: World, unrung_for: timedelta) -> Sequence[Step]:
    room = {queue: BELLS_UNHEARD - unheard for queue, unheard in world.bell.unheard(QUEUES).items()}
    # queues that are half full wait, so that the store is not asked again for each bell that is heard
    open_queues = [queue for queue, places in room.items() if places >= BELLS_UNHEARD // 2]
    if not open_queues:
        return []
    with world.store.begin() as tx:
        found = tx.due_steps(unrung_for=unrung_for, queues=open_queues)
    due = []
    for step in found:
        if room[step.queue] > 0:
            room[step.queue] -= 1
            due.append(step)
    return due


def _attempt(world: World, step: Step) -> Outcome:
    try:
        with renewing(world, step):
            settle = _STAGES[step.name].work(world, step)
        with world.store.begin() as tx:
            tx.finish(step)  # first: what it changes may end the case's live steps, this one not among them
            settle(tx)
    except LostLease:
        _log.warning("step_lost", extra={"step": step.name, "step_id": step.id})
        if step.name == "deliver":
            with world.store.begin() as tx:
                ehr_steps.retract_what_arrived(tx, step)
        return Outcome.LOST
    except EpikriseError as error:
        return _after_error(world, step, error)
    except Exception as error:
        # class and place only: the text of a foreign exception may quote the chart
        _log.error(
            "step_unexpected",
            extra={"step": step.name, "step_id": step.id, "error": type(error).__name__, "place": _place(error)},
        )
        return _after_unexpected(world, step, f"{type(error).__name__} at {_place(error)}")
    _log.info("step_done", extra={"step": step.name, "step_id": step.id, "case_id": step.case_id})
    return Outcome.DONE


def _after_error(world: World, step: Step, error: EpikriseError) -> Outcome:
    _log.warning("step_failed", extra={"step": step.name, "step_id": step.id, "error": error.code})
    if error.recovery is Recovery.PERMANENT:
        return _write_failure(world, step, code=error.code, text=str(error), retry=None)
    wait = _wait(world, step.attempts)
    if isinstance(error, EhrUnavailable) and error.retry_after is not None:
        wait = max(wait, timedelta(seconds=min(error.retry_after, 3600)))
    ambiguous = error.recovery is Recovery.AMBIGUOUS
    return _write_failure(world, step, code=error.code, text=str(error), retry=wait, ambiguous=ambiguous)


def _after_unexpected(world: World, step: Step, text: str) -> Outcome:
    retry = _wait(world, step.attempts) if step.attempts < world.rules.unexpected_attempts else None
    return _write_failure(world, step, code="unexpected", text=text, retry=retry)


def _write_failure(
    world: World, step: Step, *, code: str, text: str, retry: timedelta | None, ambiguous: bool = False
) -> Outcome:
    try:
        with world.store.begin() as tx:
            if retry is None:
                _bury(world, tx, step, code=code, text=text)
                return Outcome.DEAD
            if ambiguous and step.case_id and step.generation == tx.case(step.case_id).generation:
                steps.set_delivery(tx, step.case_id, DeliveryState.AMBIGUOUS)
            tx.fail(step, code=code, text=text, retry_at=world.clock() + retry)
    except LostLease:
        return Outcome.LOST
    return Outcome.RETRY


def _bury(world: World, tx: Transaction, step: Step, *, code: str, text: str) -> None:
    """A dead step stops its case where a person can see it; replaying the step sets it going again."""
    tx.fail(step, code=code, text=text, retry_at=None)
    if step.case_id is None:
        return
    if step.queue == "deliver" and step.generation == tx.case(step.case_id).generation:
        steps.set_delivery(tx, step.case_id, DeliveryState.REFUSED)
    if step.name in ("chart", "write", "check", "deliver"):
        tx.save_case(lifecycle.fail(tx.case(step.case_id)))
    tx.audit("system", "step_dead", case_id=step.case_id, detail=f"{step.name}: {code}")


def _worker_was_lost_too_often(world: World, step: Step) -> bool:
    """A worker that died left no error behind; such a step must not go round for ever.

    What waits for a neighbour may try as often as it must.
    """
    return step.error_code in (None, "worker_lost", "unexpected") and step.attempts > world.rules.unexpected_attempts


def _wait(world: World, attempts: int) -> timedelta:
    doubled: timedelta = world.rules.retry_base * 2 ** min(attempts - 1, 20)
    return min(doubled, world.rules.retry_most)


def _place(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_globals.get('__name__', '?')}:{frame.tb_lineno}" if frame else "?"
