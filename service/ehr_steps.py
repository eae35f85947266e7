"""The bodies of the steps that reach the EHR: deliver, finalize, retract.

What is done there cannot be rolled back with a transaction, so each asks before it repeats, and what may
have arrived although nobody wanted it any more is taken back.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from service import deliver as delivery
from service.chart import chart_from_payload
from service.effects import start
from service.errors import LostLease, UnusableInput, WrongSetting
from service.letter import letter_from_payload, verification_from_payload
from service.model import CaseState, DeliveryState, Posted, Step
from service.ports import Inbox, Transaction
from service.steps import Settle, case_id_of, patient_number, set_delivery
from service.world import World

_REMEDY = "Name the EHR's FHIR address; see `epikrise config check`."


def deliver(world: World, step: Step) -> Settle:
    """The draft goes to the EHR's inbox, once."""
    inbox = _inbox(world)
    if world.chart_source is None:
        raise WrongSetting("ehr.fhir_url is not set", remedy=_REMEDY)
    with world.store.begin() as tx:
        case = tx.case(case_id_of(step))
        facts = tx.get("chart", case.id, step.generation)
        letter = tx.get("draft", case.id, step.generation)
        verification = tx.get("verification", case.id, step.generation)
        earlier = _delivered(tx, case.id, below=step.generation)
        before = any(_is_other_delivery(other, step) for other in tx.steps_of(case.id))
        patient = patient_number(world, tx.messages_of(case.id))
    if case.generation != step.generation or case.state is CaseState.WITHDRAWN:
        raise LostLease("the case has moved on since this step was claimed")
    if facts is None or letter is None or verification is None:
        raise UnusableInput("the case has no draft", remedy="Run `epikrise case retry`.")
    document = delivery.draft_document(
        case,
        letter_from_payload(letter),
        verification_from_payload(verification),
        chart=chart_from_payload(facts),
        refs=world.chart_source.references(case.key, patient),
        review_url=world.rules.review_url(case.id),
        clock=world.clock,
    )
    # an attempt that died without a word is as doubtful as one that the EHR left unanswered
    doubtful = step.token > 1 or step.error_code is not None or before
    standing = _standing(inbox, earlier)
    former = standing[0] if standing else None
    posted = delivery.deliver(inbox, document, replaces=former, last_attempt_ambiguous=doubtful)
    for place in standing[1:]:
        inbox.post(document, replaces=place)

    def settle(tx: Transaction) -> None:
        now = tx.case(case.id)
        tx.put("posted", case.id, step.generation, asdict(posted))
        state = CaseState.IN_INBOX if now.state is CaseState.DRAFTED else now.state
        now = tx.save_case(replace(now, state=state, delivery=DeliveryState.CONFIRMED))
        if state is CaseState.SIGNED:  # while the draft was on its way
            start(tx, now, "finalize")

    return settle


def retract_what_arrived(tx: Transaction, step: Step) -> None:
    """After a delivery whose step was taken away: the draft may lie in the inbox, and the case be elsewhere."""
    case = tx.case(case_id_of(step))
    if case.generation != step.generation or case.state is CaseState.WITHDRAWN:
        tx.add_step("retract", "deliver", case_id=case.id, subject=f"late {step.token}", generation=step.generation)


def finalize(world: World, step: Step) -> Settle:
    """The signed text becomes the EHR's final document."""
    inbox = _inbox(world)
    with world.store.begin() as tx:
        case = tx.case(case_id_of(step))
        signature = tx.signature(case.id)
        signed = tx.get("signed", case.id)
        posted = tx.get("posted", case.id, step.generation)
    if signature is None or signed is None:
        raise UnusableInput("the case is not signed")
    place = delivery.finalize(
        inbox,
        key=delivery.draft_key(case),
        posted=Posted(**posted) if posted else None,
        text=signed["text"],
        signature=signature,
    )

    def settle(tx: Transaction) -> None:
        tx.put("posted", case.id, step.generation, asdict(place))
        set_delivery(tx, case.id, DeliveryState.CONFIRMED)

    return settle


def retract(world: World, step: Step) -> Settle:
    """A withdrawn draft leaves the inbox, and with it whatever was delivered before it."""
    inbox = _inbox(world)
    with world.store.begin() as tx:
        case = tx.case(case_id_of(step))
        drafts = _delivered(tx, case.id, below=step.generation + 1)
    for draft in drafts:
        delivery.withdraw(inbox, key=draft.key, posted=draft.posted, reason=case.withdrawn_by or "withdrawn")

    def settle(tx: Transaction) -> None:
        if tx.case(case.id).state is CaseState.WITHDRAWN:
            set_delivery(tx, case.id, DeliveryState.CONFIRMED)

    return settle


@dataclass(frozen=True, kw_only=True)
class _Delivered:
    """A draft that reached the EHR, or may have: ``posted`` None where its delivery was never confirmed."""

    key: str
    posted: Posted | None


def _delivered(tx: Transaction, case_id: str, *, below: int) -> list[_Delivered]:
    """The drafts of generations before ``below``, oldest first."""
    tried = {s.generation for s in tx.steps_of(case_id) if s.name == "deliver" and s.token > 0}
    found = []
    for generation in sorted(g for g in tried if g < below):
        posted = tx.get("posted", case_id, generation)
        found.append(_Delivered(key=f"{case_id}.{generation}", posted=Posted(**posted) if posted else None))
    return found


def _standing(inbox: Inbox, earlier: Sequence[_Delivered]) -> list[Posted]:
    """The drafts that a new one supersedes, newest first. A confirmed one has superseded all before it; one
    that may have stopped half-way has not."""
    places = []
    for draft in reversed(earlier):
        if (place := draft.posted or inbox.find(draft.key)) is not None:
            places.append(place)
        if draft.posted is not None:
            break
    return places


def _inbox(world: World) -> Inbox:
    if world.inbox is None:
        raise WrongSetting("ehr.fhir_url is not set", remedy=_REMEDY)
    return world.inbox


def _is_other_delivery(other: Step, step: Step) -> bool:
    return other.name == "deliver" and other.generation == step.generation and other.id != step.id
