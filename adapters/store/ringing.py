"""Ring the bell beside the work, not in its way."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)
_REST = 4.0
_PENDING = 10_000  # steps; more than that is a broker long gone, and the sweeper will ring for them


class RingingThread:
    """Collects the ids of steps and hands them on in groups. Steps it cannot hand on are dropped: the store has them.

    After each group it rests four times as long as that took, at most a second: under a flood of messages the bell
    takes a fifth of what the messages need, and a single step is rung at once.
    """

    def __init__(self, ring: Callable[[Sequence[str]], None]) -> None:
        self._ring = ring
        self._pending: deque[str] = deque(maxlen=_PENDING)
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="ringing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, steps: Sequence[str]) -> None:
        """Never waits."""
        if not steps:
            return
        with self._changed:
            self._pending.extend(steps)
            self._changed.notify()

    def stop(self) -> None:
        """Rings for what is pending, once."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while steps := self._next():
            began = time.monotonic()
            try:
                self._ring(steps)
            except Exception as error:  # this thread has to outlive any fault: the sweeper rings for these
                _log.warning("bell_not_rung", extra={"error": type(error).__name__, "steps": len(steps)})
            self._rest(min(_REST * (time.monotonic() - began), 1.0))

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, seconds)

    def _next(self) -> list[str]:
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._stopping)
            steps = list(self._pending)
            self._pending.clear()
            return steps
