"""What an event does to a case: one table, no side effects.

The table of states and events is the contract with the ward: a letter is drafted once for a
discharge, a cancelled discharge takes an unsigned draft back, and nothing ever changes a signed one.
"""

from dataclasses import dataclass, replace

from service.errors import NotAllowed
from service.model import Case, CaseState, DeliveryState, Event

DRAFT_STATES = frozenset({CaseState.DRAFTING, CaseState.DRAFTED, CaseState.IN_INBOX, CaseState.IN_REVIEW})
"""A draft is being made or exists, and nobody has signed."""

HELD_BY_OPERATOR = "held_by_operator"
NOTHING_TO_SAY = "chart_has_no_diagnosis_and_no_course"


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """What to write: the case, the steps to start, and whether its live steps end."""

    case: Case
    start: tuple[str, ...] = ()
    cancel_steps: bool = False


def apply_event(case: Case, event: Event, *, starts_letter: bool = True) -> Consequence:
    """The consequence of one message that was just filed under the case."""
    if event is Event.DISCHARGE and starts_letter:
        return _discharge(case)
    if event is Event.CANCEL_DISCHARGE:
        return _cancel_discharge(case)
    if event is Event.IGNORED:
        return Consequence(case=case)
    return _update(case)


def _discharge(case: Case) -> Consequence:
    match case.state:
        case CaseState.OPEN:
            return _begin_draft(case)
        case CaseState.WITHDRAWN if case.withdrawn_by == "ehr":
            return _begin_draft(replace(case, withdrawn_by=None))
        case CaseState.WITHDRAWN:
            return Consequence(case=_notice(case, "discharge_after_withdrawal"))
        case CaseState.HELD if case.held_from is CaseState.OPEN:
            begun = _begin_draft(case).case  # its first step waits for the release
            return Consequence(case=replace(begun, state=CaseState.HELD, held_from=begun.state))
        case _:
            return _update(case)


def _begin_draft(case: Case) -> Consequence:
    begun = replace(
        case, state=CaseState.DISCHARGED, generation=case.generation + 1, delivery=DeliveryState.NONE, held_from=None
    )
    return Consequence(case=begun, start=("chart",))


def _update(case: Case) -> Consequence:
    if case.state is CaseState.SIGNED:
        return Consequence(case=_notice(case, "update_after_signature"))
    if case.state is CaseState.DISCHARGED or case.state in DRAFT_STATES:
        return Consequence(case=case, start=("refresh",))
    return Consequence(case=case)


def _cancel_discharge(case: Case) -> Consequence:
    state = case.held_from if case.state in (CaseState.HELD, CaseState.FAILED) and case.held_from else case.state
    if state is CaseState.SIGNED:
        return Consequence(case=_notice(case, "discharge_cancelled_after_signature"))
    if state is CaseState.WITHDRAWN:
        return Consequence(case=case)
    if state in DRAFT_STATES:
        return withdraw(case, by="ehr")
    if state is CaseState.OPEN:
        return Consequence(case=case)
    if case.state is CaseState.HELD and HELD_BY_OPERATOR in case.notices:
        back = replace(case, held_from=CaseState.OPEN)
    else:
        back = replace(case, state=CaseState.OPEN, held_from=None)
    # a draft of an earlier generation may still lie in the inbox
    retract = ("retract",) if case.generation > 1 else ()
    return Consequence(case=back, start=retract, cancel_steps=True)


def withdraw(case: Case, *, by: str) -> Consequence:
    """End an unsigned draft; the text is kept. ``by``: ehr, physician or operator.

    A case withdrawn before stays as it was, with who did it. Raises NotAllowed for a signed one.
    """
    if case.state is CaseState.SIGNED:
        raise NotAllowed("the case is signed", remedy="Write an addendum.")
    if case.state is CaseState.WITHDRAWN:
        return Consequence(case=case)
    who = {"ehr": "ehr", "physician": "physician", "operator": "operator"}[by]
    ended = replace(
        case,
        state=CaseState.WITHDRAWN,
        withdrawn_by=who,  # type: ignore[arg-type]  # one of the three literals, by the dict above
        held_from=None,
    )
    return Consequence(case=ended, start=("retract",), cancel_steps=True)


def chart_changed(case: Case, *, stated: bool) -> Consequence:
    """The chart grew or changed since the draft. ``stated``: the draft states a changed fact.

    A new draft replaces the old one unless a person has touched it; then it is a finding.
    """
    match case.state:
        case CaseState.DISCHARGED:
            return Consequence(case=case, start=("chart",))
        case CaseState.DRAFTING | CaseState.DRAFTED | CaseState.IN_INBOX if stated:
            begun = _begin_draft(case)
            return Consequence(case=begun.case, start=begun.start, cancel_steps=True)
        case CaseState.IN_REVIEW if stated:
            return Consequence(case=_notice(case, "chart_changed_in_review"))
        case _:
            return Consequence(case=case)


def hold(case: Case, reason: str) -> Case:
    """An operator must decide; release returns it to where it was, before it failed if it had.

    Raises NotAllowed for a signed or withdrawn case.
    """
    if case.state in (CaseState.SIGNED, CaseState.WITHDRAWN):
        raise NotAllowed(f"the case is {case.state.value}")
    before = case.held_from if case.state in (CaseState.FAILED, CaseState.HELD) else case.state
    return replace(_notice(case, reason), state=CaseState.HELD, held_from=before)


def fail(case: Case) -> Case:
    """A step of the journey is dead. A signed or withdrawn case stays what it is."""
    if case.state in (CaseState.SIGNED, CaseState.WITHDRAWN, CaseState.FAILED, CaseState.HELD):
        return case
    return replace(case, state=CaseState.FAILED, held_from=case.state)


def recover(case: Case) -> Case:
    """The dead step was replayed, or the case released."""
    if case.state not in (CaseState.FAILED, CaseState.HELD) or case.held_from is None:
        return case
    return replace(case, state=case.held_from, held_from=None)


def release(case: Case) -> Consequence:
    """An operator lets a held case go on: the step that its state waits for is started anew.

    What came in while it was held has changed nothing yet, so a case with a draft looks again.
    """
    freed = recover(case)
    freed = replace(
        freed, notices=tuple(each for each in freed.notices if each not in (HELD_BY_OPERATOR, NOTHING_TO_SAY))
    )
    match freed.state:
        case CaseState.DISCHARGED | CaseState.DRAFTING:
            return Consequence(case=replace(freed, state=CaseState.DISCHARGED), start=("chart",))
        case CaseState.DRAFTED:
            return Consequence(case=freed, start=("deliver", "refresh"))
        case CaseState.IN_INBOX | CaseState.IN_REVIEW:
            return Consequence(case=freed, start=("refresh",))
        case _:
            return Consequence(case=freed)


def _notice(case: Case, notice: str) -> Case:
    return case if notice in case.notices else replace(case, notices=(*case.notices, notice))
