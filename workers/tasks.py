"""What Celery calls: load an id, run a step, nothing else."""

import logging

from celery import Celery

from adapters.broker import TASK
from service.errors import StoreUnavailable
from service.pipeline import run_step
from service.world import World

_log = logging.getLogger(__name__)


def register(app: Celery, world: World) -> None:
    """The app's one task. It never raises: what failed stands in the store, and the sweeper rings again."""

    @app.task(name=TASK)
    def step(step_id: str) -> None:
        try:
            run_step(world, step_id)
        except StoreUnavailable as error:
            _log.error("step_not_run", extra={"step_id": step_id, "error": error.code})
