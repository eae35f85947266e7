"""Signs of life for a step that takes longer than its lease."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import LostLease, StoreUnavailable
from service.model import Step
from service.world import World

_log = logging.getLogger(__name__)


@contextmanager
def renewing(world: World, step: Step) -> Iterator[None]:
    """Renew the step's lease every third of it, from a thread, until the block ends.

    A lease lost meanwhile shows when the step is finished; the work itself is not interrupted.
    """
    ended = threading.Event()
    pause = world.rules.lease.total_seconds() / 3

    def renew() -> None:
        while not ended.wait(pause):
            try:
                with world.store.begin() as tx:
                    tx.renew(step, lease=world.rules.lease)
            except LostLease:
                return
            except StoreUnavailable:
                _log.warning("lease_not_renewed", extra={"step_id": step.id})

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
