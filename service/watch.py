"""Queue health as rows, the same for the page, the command line and the checks; and queues that nobody works on."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from service.model import StageHealth
from service.ports import Transaction

_PATIENCE = timedelta(minutes=1)


def unattended(tx: Transaction, now: datetime) -> dict[str, float]:
    """Queues with a step that has been due for more than a minute, while no worker holds or has taken one in that
    time: seconds that the oldest has been due. A paused queue is none of them."""
    oldest: dict[str, datetime] = {}
    for step in tx.due_steps(unrung_for=timedelta(0)):
        oldest[step.queue] = min(step.not_before, oldest.get(step.queue, step.not_before))
    late = {queue: now - since for queue, since in oldest.items() if now - since > _PATIENCE}
    attended = tx.attended_queues(within=_PATIENCE) if late else ()
    return {queue: waits.total_seconds() for queue, waits in late.items() if queue not in attended}


def unattended_words(queue: str, seconds: float) -> str:
    return f"{queue}: a step has been due for {seconds / 60:.0f} min, and no worker takes one"


def start_a_worker(queues: str) -> str:
    return f"Start `epikrise worker --queue {queues}`, or restart it and read its log."


def stage_rows(health: Sequence[StageHealth], stages: Sequence[str]) -> list[dict[str, Any]]:
    """One row a stage in the journey's order, also for stages that never had a step."""
    known = {row.stage: row for row in health}
    rows = []
    for name in stages:
        row = known.get(name) or StageHealth(
            stage=name, waiting=0, running=0, failed=0, dead=0, oldest_age_seconds=None
        )
        age = None if row.oldest_age_seconds is None else round(row.oldest_age_seconds, 1)
        rows.append(
            {
                "stage": row.stage,
                "waiting": row.waiting,
                "running": row.running,
                "failed": row.failed,
                "dead": row.dead,
                "oldest_age_seconds": age,
                "paused": row.paused,
            }
        )
    return rows
