"""Queue health as rows, the same for the page, the command line and the checks."""

from collections.abc import Sequence
from typing import Any

from service.model import StageHealth


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
