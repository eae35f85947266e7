"""What an event does to a case: one table, no side effects.

The table of states and events is the contract with the ward: a letter is drafted once for a
discharge, a cancelled discharge takes an unsigned draft back, and nothing ever changes a signed one.
"""

from dataclasses import dataclass, replace

from service.errors import NotAllowed
from service.model import Case, CaseState, DeliveryState, Event
from service.visit import VisitStatus

DRAFT_STATES = frozenset({CaseState.DRAFTING, CaseState.DRAFTED, CaseState.IN_INBOX, CaseState.IN_REVIEW})
"""A draft is being made or exists, and nobody has signed."""

HELD_BY_OPERATOR = "held_by_operator"
NOTHING_TO_SAY = "chart_has_no_diagnosis_and_no_course"
MERGED = "merged_into_another_case"
TOOK_A_CASE_IN = "another_case_merged_into_this"

_TELLS_WHO_IS_WHO = frozenset({Event.MERGE, Event.CHANGE_VISIT})


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """What to write: the case, the steps to start, and whether its live steps end."""

    case: Case
    start: tuple[str, ...] = ()
    cancel_steps: bool = False


def follow(
    case: Case,
    *,
    before: VisitStatus,
    after: VisitStatus,
    event: Event = Event.UPDATE,
    starts: bool = False,
    on_request: bool = False,
) -> Consequence:
    """The consequence of one message that was just filed under the case.

    Args:
        before, after: how the visit stood without the message, and stands with it.
        event, starts: what the message is, and whether it starts a letter by the institution's rules.
        on_request: a physician asked for the draft that there is; no cancelled discharge takes that back.
    """
    if event is Event.IGNORED:
        return Consequence(case=case)
    if after is VisitStatus.DISCHARGED and (starts or before is not after):
        return _discharge(case)
    if after is VisitStatus.CANCELLED and before is not after:
        return _cancel_visit(case)
    if before is VisitStatus.DISCHARGED and before is not after and not on_request:
        return _cancel_discharge(case)
    if before is VisitStatus.CANCELLED and before is not after:
        return _go_on(case)
    if event in _TELLS_WHO_IS_WHO and case.state is CaseState.SIGNED:
        return Consequence(case=case)  # if it changed anything, identity_changed says so
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


def _cancel_visit(case: Case) -> Consequence:
    if case.state is CaseState.SIGNED:
        return Consequence(case=_notice(case, "visit_cancelled_after_signature"))
    return _end(case)


def _go_on(case: Case) -> Consequence:
    """A cancelled visit is told of again."""
    if case.state is CaseState.WITHDRAWN and case.withdrawn_by == "ehr":
        return Consequence(case=replace(case, state=CaseState.OPEN, withdrawn_by=None))
    return _update(case)


def _end(case: Case) -> Consequence:
    """Withdrawn by the EHR; where there never was a draft, there is none to take back."""
    ended = withdraw(case, by="ehr")
    return ended if case.generation else replace(ended, start=())


def merged(case: Case) -> Consequence:
    """Its visit goes on in another case. A signed one stays signed."""
    told = _notice(case, MERGED)
    return Consequence(case=told) if case.state is CaseState.SIGNED else _end(told)


def identity_changed(case: Case) -> Consequence:
    """The visit goes by another patient or number than its draft does: what nobody has touched is drafted anew,
    also where the text need not change, for it lies in the EHR with the former patient or visit."""
    if case.state is CaseState.SIGNED:
        return Consequence(case=_notice(case, "identity_changed_after_signature"))
    if in_review(case):
        return Consequence(case=_notice(case, "identity_changed_in_review"))
    if case.state in DRAFT_STATES:
        begun = _begin_draft(case)
        return Consequence(case=begun.case, start=begun.start, cancel_steps=True)
    return Consequence(case=case)


def look_again(case: Case) -> Consequence:
    """Something was told of the visit's patient."""
    return _update(case)


def in_review(case: Case) -> bool:
    """A person has touched the draft; also while the case is held or a step of it has failed."""
    return CaseState.IN_REVIEW in (case.state, case.held_from)


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


def request_draft(case: Case, visit: VisitStatus) -> Consequence:
    """A physician asks for a draft now: also while the patient is still here, and also where a former draft was
    withdrawn. A draft that is there or under way stays as it is.

    Raises NotAllowed for a signed case, for one that waits for an operator or lives on in another, and for a visit
    that was cancelled: it never was.
    """
    if case.state is CaseState.SIGNED:
        raise NotAllowed("the letter is signed", remedy="Write an addendum.")
    if MERGED in case.notices:
        raise NotAllowed("the visit goes on in another case", remedy="Ask for the draft of that case.")
    if visit is VisitStatus.CANCELLED:
        raise NotAllowed(
            "the visit was cancelled", remedy="If it did take place, let the EHR tell its admission again."
        )
    if case.state is CaseState.HELD:
        raise NotAllowed("the case is held", remedy="An operator releases it: `epikrise case release`.")
    if case.state is CaseState.FAILED:
        raise NotAllowed("a step of the case failed", remedy="An operator mends it: `epikrise case retry`.")
    if case.state in (CaseState.OPEN, CaseState.WITHDRAWN):
        return _begin_draft(replace(case, withdrawn_by=None))
    return Consequence(case=case)


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
