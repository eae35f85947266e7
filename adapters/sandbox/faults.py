"""Faults on request, for tests of those who talk to an EHR. Only with ``--faults``.

``POST /sandbox/faults`` with ``{"kind", "times", "method", "path", "seconds"}`` arms one, ``GET``
lists what is armed, ``DELETE`` clears. A fault fires on the next ``times`` requests under ``/fhir``
that have this method (default any that writes) and whose path starts with ``path``. ``lose_hook`` (method
``HOOK``, path ``/hooks/<Subscription id>``) loses the notification of an event, which keeps its number.
``retry_after`` replaces what ``busy`` and ``unavailable`` ask to wait.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapters.sandbox.outcome import Issue, Refusal, refuse

WRITES = frozenset({"POST", "PUT"})

BEFORE: Mapping[str, tuple[int, str, Mapping[str, str]]] = {
    "error_before": (500, "exception", {}),
    "conflict": (409, "conflict", {}),
    "precondition": (412, "conflict", {}),
    "busy": (429, "throttled", {"Retry-After": "7"}),
    "unavailable": (503, "transient", {"Retry-After": "3"}),
    "forbidden": (403, "forbidden", {}),
    "gone": (410, "deleted", {}),
}
"""Answered instead of being carried out: status, issue code, headers."""

AFTER = frozenset({"error_after", "hang_after"})
"""Carried out, then answered with 500, or answered ``seconds`` too late."""

KINDS = frozenset({*BEFORE, *AFTER, "slow", "no_transactions", "lose_hook"})


@dataclass(frozen=True, kw_only=True)
class Fault:
    """``times`` is how often it is still to fire; ``no_transactions`` stays until cleared."""

    kind: str
    times: int = 1
    method: str = ""
    path: str = "/fhir"
    seconds: float = 5.0
    retry_after: str = ""


class Faults:
    """What is armed. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def arm(self, wish: Any) -> None:
        """Raises Refusal 400 for a wish that names no known kind or has wrong types."""
        if not isinstance(wish, dict) or wish.get("kind") not in KINDS:
            raise refuse(400, "value", f"kind is one of {', '.join(sorted(KINDS))}.", "kind")
        try:
            fault = Fault(**{**wish, "times": int(wish.get("times", 1)), "seconds": float(wish.get("seconds", 5))})
        except (TypeError, ValueError):
            raise refuse(400, "value", "The members are kind, times, method, path, seconds.") from None
        with self._lock:
            self._armed.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[Fault]:
        with self._lock:
            return list(self._armed)

    def transactions(self) -> bool:
        return not any(fault.kind == "no_transactions" for fault in self.armed())

    def take(self, method: str, path: str) -> Fault | None:
        """The first armed fault that this request meets, counted down."""
        with self._lock:
            for index, fault in enumerate(self._armed):
                methods = {fault.method} if fault.method else WRITES
                if fault.kind == "no_transactions" or method not in methods or not path.startswith(fault.path):
                    continue
                if fault.times <= 1:
                    self._armed.pop(index)
                else:
                    self._armed[index] = replace(fault, times=fault.times - 1)
                return fault
        return None


def refusal_of(fault: Fault) -> Refusal | None:
    """What a fault of :data:`BEFORE` answers; None for the other kinds."""
    if fault.kind not in BEFORE:
        return None
    status, code, headers = BEFORE[fault.kind]
    asked = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    return Refusal(status, Issue(code=code, diagnostics="A fault that was asked for."), headers={**headers, **asked})
