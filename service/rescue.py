"""What an operator may do to a case: retry, hold, release, withdraw."""

from service import lifecycle
from service.effects import take_effect
from service.errors import NotAllowed
from service.lifecycle import Consequence
from service.model import Case, CaseState, StepState
from service.ports import Transaction


def replay_step(tx: Transaction, step_id: str) -> None:
    """A dead step goes again, and its case returns to where it was. Raises NotFound, NotAllowed."""
    step = tx.replay(step_id)
    if step.case_id is not None:
        case = tx.case(step.case_id)
        if case.state is CaseState.FAILED:
            recovered = lifecycle.recover(case)
            # what came in since it failed has changed nothing yet
            look_again = ("refresh",) if recovered.state in lifecycle.DRAFT_STATES else ()
            take_effect(tx, Consequence(case=recovered, start=look_again), subject=step_id)
    tx.audit("operator", "step_replayed", case_id=step.case_id, detail=step.name)


def retry_case(tx: Transaction, case_id: str) -> int:
    """Replay every dead step of a case; how many. Raises NotFound, NotAllowed if none is dead."""
    tx.case(case_id)
    dead = [step for step in tx.steps_of(case_id) if step.state is StepState.DEAD]
    if not dead:
        raise NotAllowed("no step of this case is dead", remedy="See `epikrise case show` for what it waits for.")
    for step in dead:
        replay_step(tx, step.id)
    return len(dead)


def hold_case(tx: Transaction, case_id: str) -> Case:
    """Stop a case until it is released; its live steps end. Raises NotAllowed for a signed or withdrawn one."""
    case = tx.case(case_id)
    if case.state in (CaseState.SIGNED, CaseState.WITHDRAWN, CaseState.HELD):
        raise NotAllowed(f"the case is {case.state.value}")
    tx.audit("operator", "held", case_id=case_id)
    return take_effect(tx, Consequence(case=lifecycle.hold(case, lifecycle.HELD_BY_OPERATOR), cancel_steps=True))


def release_case(tx: Transaction, case_id: str) -> Case:
    """Let a held case go on from where it stopped. Raises NotAllowed if it is not held."""
    case = tx.case(case_id)
    if case.state is not CaseState.HELD:
        raise NotAllowed(f"the case is {case.state.value}, not held")
    tx.audit("operator", "released", case_id=case_id)
    return take_effect(tx, lifecycle.release(case), subject=f"release {case.version}")


def withdraw_case(tx: Transaction, case_id: str) -> Case:
    """Take an unsigned draft back. Raises NotAllowed for a signed one."""
    case = tx.case(case_id)
    if case.state in (CaseState.SIGNED, CaseState.WITHDRAWN):
        raise NotAllowed(f"the case is {case.state.value}")
    tx.audit("operator", "withdrawn", case_id=case_id)
    return take_effect(tx, lifecycle.withdraw(case, by="operator"))
