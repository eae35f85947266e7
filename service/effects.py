"""Writing a consequence: the case, the end of its live steps, the steps to start."""

from dataclasses import asdict
from datetime import timedelta

from service.lifecycle import Consequence
from service.model import Case, Event, Start, Step, StepState
from service.ports import Transaction

_CHART_STEPS = ("chart", "write", "check", "deliver", "refresh")
"""What ends when a draft is begun anew or withdrawn."""

_LATE_ARRIVAL = timedelta(seconds=90)
"""How long a request that nobody waits for any more may take to reach the EHR."""


def take_effect(tx: Transaction, consequence: Consequence, *, subject: str = "") -> Case:
    """Write a consequence: the case, the end of its live steps, the steps to start."""
    case = consequence.case
    doubtful = None
    if consequence.cancel_steps:
        doubtful = _unconfirmed_delivery(tx, case.id)
        tx.cancel_steps(case.id, names=_CHART_STEPS)
    case = tx.save_case(case)
    for name in consequence.start:
        start(tx, case, name, subject=subject if name == "refresh" else "")
    if consequence.start and doubtful is not None:
        # it may still reach the EHR after the retraction, or the next delivery, looked
        ended = max(doubtful.lease_until or case.updated_at, case.updated_at)
        tx.add_step(
            "retract",
            "deliver",
            case_id=case.id,
            subject="again",
            generation=doubtful.generation,
            not_before=ended + _LATE_ARRIVAL,
        )
    return case


def _unconfirmed_delivery(tx: Transaction, case_id: str) -> Step | None:
    """The newest delivery that was tried and of which nobody knows whether it arrived."""
    tried = [s for s in tx.steps_of(case_id) if s.name == "deliver" and s.token > 0 and s.state is not StepState.DONE]
    return next((s for s in reversed(tried) if tx.get("posted", case_id, s.generation) is None), None)


def start(tx: Transaction, case: Case, name: str, *, subject: str = "") -> None:
    """The case's next step, on its queue; the live one if there is one."""
    queues = {"write": "write", "check": "check", "deliver": "deliver", "finalize": "deliver", "retract": "deliver"}
    tx.add_step(name, queues.get(name, "intake"), case_id=case.id, subject=subject, generation=case.generation)


def note_start(tx: Transaction, case: Case, start: Start, *, event: Event | None = None, message_id: str = "") -> None:
    """Keep with the case what its letter was begun for. ``event``: None where a person asked for it."""
    tx.put("start", case.id, case.generation, {**asdict(start), "event": event, "message": message_id})
