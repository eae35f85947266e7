"""The bodies of the journey's steps.

Each reads what it needs, does its work outside any transaction, and returns a function that writes the
result; the pipeline calls it in the transaction that finishes the step.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from service import deliver as delivery
from service import lifecycle
from service.chart import build_chart, chart_from_payload, chart_payload
from service.chart.bundle import resources_of
from service.errors import Conflict, EhrUnavailable, ModelUnavailable, UnusableInput, WrongSetting
from service.intake import understand
from service.letter import letter_from_payload, letter_payload, resolve, verification_from_payload, verification_payload
from service.lifecycle import Consequence
from service.model import Case, CaseState, Chart, DeliveryState, Event, Posted, RawLetter, Step, StepState, WriterInfo
from service.ports import Inbox, Message, Resource, Transaction
from service.verify import verify
from service.world import World

Settle = Callable[[Transaction], None]

_CHART_STEPS = ("chart", "write", "check", "deliver", "refresh")
"""What ends when a draft is begun anew or withdrawn."""


def read(world: World, step: Step) -> Settle:
    """One stored message: what it means, which case it belongs to, and what that starts."""
    with world.store.begin() as tx:
        stored = tx.message(step.subject)
    if stored.channel == "fhir":
        return _nothing_to_read(step)
    message = world.reader(stored.body)
    reading = understand(message, authorities=world.rules.authorities)
    on_trial = message.segments("MSH")[0].value(11)[:1] in ("T", "D")

    def settle(tx: Transaction) -> None:
        if reading.case_key is None or reading.event is Event.IGNORED or on_trial:
            tx.file_message(
                stored.id, case_id=None, event=reading.event, event_time=reading.event_time, state="understood"
            )
            return
        file_reading(
            world,
            tx,
            message_id=stored.id,
            key=reading.case_key,
            event=reading.event,
            event_time=reading.event_time,
            starts_letter=reading.starts_letter,
        )

    return settle


def _nothing_to_read(step: Step) -> Settle:
    raise UnusableInput(f"message {step.subject} is not HL7 v2", remedy="FHIR input is filed when it is received.")


def file_reading(
    world: World, tx: Transaction, *, message_id: str, key: str, event: Event, event_time: str, starts_letter: bool
) -> Case:
    """File a message under its case (made if there is none) and let the event take effect."""
    case = tx.case_by_key(key) or tx.add_case(key, lang=world.rules.lang)
    tx.file_message(message_id, case_id=case.id, event=event, event_time=event_time, state="understood")
    if _is_stale(tx, case, message_id, event):
        event = Event.UPDATE
    return take_effect(tx, lifecycle.apply_event(case, event, starts_letter=starts_letter), subject=message_id)


def _is_stale(tx: Transaction, case: Case, message_id: str, event: Event) -> bool:
    """A discharge or its cancellation that a later one (by event time) has already overtaken."""
    turning = (Event.DISCHARGE, Event.CANCEL_DISCHARGE)
    if event not in turning:
        return False
    turns = [message for message in tx.messages_of(case.id) if message.event in turning]
    return bool(turns) and turns[-1].id != message_id


def take_effect(tx: Transaction, consequence: Consequence, *, subject: str = "") -> Case:
    """Write a consequence: the case, the end of its live steps, the steps to start."""
    case = consequence.case
    in_flight = None
    if consequence.cancel_steps:
        in_flight = next(
            (s for s in tx.steps_of(case.id) if s.name == "deliver" and s.state is StepState.RUNNING), None
        )
        tx.cancel_steps(case.id, names=_CHART_STEPS)
    case = tx.save_case(case)
    for name in consequence.start:
        _start(tx, case, name, subject=subject if name == "refresh" else "")
    if consequence.start and in_flight is not None and in_flight.lease_until is not None:
        # a delivery under way may still reach the EHR after the retraction, or the next delivery, looked
        tx.add_step(
            "retract",
            "deliver",
            case_id=case.id,
            subject="again",
            generation=in_flight.generation,
            not_before=in_flight.lease_until + timedelta(seconds=5),
        )
    return case


def _start(tx: Transaction, case: Case, name: str, *, subject: str = "") -> None:
    queues = {"write": "write", "check": "check", "deliver": "deliver", "finalize": "deliver", "retract": "deliver"}
    tx.add_step(name, queues.get(name, "intake"), case_id=case.id, subject=subject, generation=case.generation)


# ---------------------------------------------------------------- chart


def chart(world: World, step: Step) -> Settle:
    """All messages of the case and the EHR's resources become facts."""
    built = _gather(world, _case_id(step))

    def settle(tx: Transaction) -> None:
        case = tx.case(_case_id(step))
        tx.put("chart", case.id, step.generation, chart_payload(built))
        if not any(fact.handle.startswith(("diagnosis.", "course.")) for fact in built.facts):
            tx.save_case(lifecycle.hold(case, "chart_has_no_diagnosis_and_no_course"))
            return
        case = tx.save_case(replace(case, state=CaseState.DRAFTING))
        _start(tx, case, "write")

    return settle


def refresh(world: World, step: Step) -> Settle:
    """Something came in after the discharge: does it change what the draft states?"""
    built = _gather(world, _case_id(step))

    def settle(tx: Transaction) -> None:
        case = tx.case(_case_id(step))
        if any(s.name == "chart" and s.state is StepState.RUNNING for s in tx.steps_of(case.id)):
            raise Conflict("the chart is being read", remedy="It is compared when that is done.")
        before = tx.get("chart", case.id, case.generation)
        if before is None:
            return  # the chart step of this generation has yet to start, and will see it
        changed = changed_handles(chart_from_payload(before), built)
        if not changed:
            return
        draft = tx.get("draft", case.id, case.generation)
        stated = draft is None or bool(changed & {span.handle for span in letter_from_payload(draft).spans})
        tx.put("latest_chart", case.id, case.generation, chart_payload(built))
        if case.state is CaseState.IN_REVIEW:
            tx.put("changed", case.id, case.generation, {"handles": sorted(changed)})
        take_effect(tx, lifecycle.chart_changed(case, stated=stated))

    return settle


def changed_handles(before: Chart, after: Chart) -> set[str]:
    """Handles whose value differs, appeared or went."""
    old = {fact.handle: fact.value for fact in before.facts}
    new = {fact.handle: fact.value for fact in after.facts}
    return {handle for handle in old.keys() | new.keys() if old.get(handle) != new.get(handle)}


def _gather(world: World, case_id: str) -> Chart:
    with world.store.begin() as tx:
        key = tx.case(case_id).key
        stored = tx.messages_of(case_id)
    messages: list[Message] = [world.reader(message.body) for message in stored if message.channel == "mllp"]
    resources: list[Resource] = []
    for message in stored:
        if message.channel == "fhir":
            resources += resources_of(json.loads(message.body))
    if world.chart_source is not None:
        resources += world.chart_source.resources(key, _patient_id(messages))
    return build_chart(messages, resources, visit_key=key)


def _patient_id(messages: Sequence[Message]) -> str:
    for message in reversed(messages):
        for pid in message.segments("PID"):
            if value := pid.value(3):
                return value
    return ""


# ---------------------------------------------------------------- letter


def write(world: World, step: Step) -> Settle:
    """The model writes; nothing else does."""
    if world.writer is None:
        raise ModelUnavailable("this worker has no model", remedy="Start `epikrise worker --queue write`.")
    with world.store.begin() as tx:
        case = tx.case(_case_id(step))
        payload = tx.get("chart", case.id, step.generation)
    if payload is None:
        raise UnusableInput("the case has no chart", remedy="Run `epikrise case retry` for this case.")
    raw = world.writer.write(chart_from_payload(payload), case.lang)

    def settle(tx: Transaction) -> None:
        tx.put("raw", case.id, step.generation, asdict(raw))
        _start(tx, tx.case(case.id), "check")

    return settle


def check(world: World, step: Step) -> Settle:
    """Handles become values with sources; the letter is held against the chart."""
    with world.store.begin() as tx:
        facts, raw = (
            tx.get("chart", _case_id(step), step.generation),
            tx.get("raw", _case_id(step), step.generation),
        )
    if facts is None or raw is None:
        raise UnusableInput("the case has no chart or no raw letter", remedy="Run `epikrise case retry`.")
    known = chart_from_payload(facts)
    letter = resolve(RawLetter(raw=raw["raw"], lang=raw["lang"], writer=WriterInfo(**raw["writer"])), known)
    verification = verify(letter.text, known, letter.lang, spans=letter.spans)

    def settle(tx: Transaction) -> None:
        case = tx.case(_case_id(step))
        tx.put("draft", case.id, step.generation, letter_payload(letter))
        tx.put("verification", case.id, step.generation, verification_payload(verification))
        case = tx.save_case(replace(case, state=CaseState.DRAFTED, delivery=DeliveryState.WAITING))
        _start(tx, case, "deliver")

    return settle


# ---------------------------------------------------------------- the EHR


def deliver(world: World, step: Step) -> Settle:
    """The draft goes to the EHR's inbox, once."""
    if world.inbox is None:
        raise WrongSetting(
            "ehr.fhir_url is not set", remedy="Name the EHR's FHIR address; see `epikrise config check`."
        )
    with world.store.begin() as tx:
        case = tx.case(_case_id(step))
        facts = tx.get("chart", case.id, step.generation)
        letter = tx.get("draft", case.id, step.generation)
        verification = tx.get("verification", case.id, step.generation)
        earlier = _delivered(tx, case.id, below=step.generation)
        before = any(_is_other_delivery(other, step) for other in tx.steps_of(case.id))
    if facts is None or letter is None or verification is None:
        raise UnusableInput("the case has no draft", remedy="Run `epikrise case retry`.")
    if world.chart_source is None:
        raise EhrUnavailable("no chart source", remedy="Name the EHR's FHIR address; see `epikrise config check`.")
    document = delivery.draft_document(
        case,
        letter_from_payload(letter),
        verification_from_payload(verification),
        chart=chart_from_payload(facts),
        refs=world.chart_source.references(case.key),
        review_url=world.rules.review_url(case.id),
        clock=world.clock,
    )
    former = next((place for place in (_place(world.inbox, each) for each in reversed(earlier)) if place), None)
    # an attempt that died without a word is as doubtful as one that the EHR left unanswered
    doubtful = step.attempts > 1 or step.error_code is not None or before
    posted = delivery.deliver(world.inbox, document, replaces=former, last_attempt_ambiguous=doubtful)

    def settle(tx: Transaction) -> None:
        now = tx.case(case.id)
        tx.put("posted", case.id, step.generation, asdict(posted))
        state = CaseState.IN_INBOX if now.state is CaseState.DRAFTED else now.state
        tx.save_case(replace(now, state=state, delivery=DeliveryState.CONFIRMED))

    return settle


def finalize(world: World, step: Step) -> Settle:
    """The signed text becomes the EHR's final document."""
    if world.inbox is None:
        raise WrongSetting(
            "ehr.fhir_url is not set", remedy="Name the EHR's FHIR address; see `epikrise config check`."
        )
    with world.store.begin() as tx:
        case = tx.case(_case_id(step))
        signature = tx.signature(case.id)
        signed = tx.get("signed", case.id)
        posted = tx.get("posted", case.id, step.generation)
    if signature is None or signed is None:
        raise UnusableInput("the case is not signed")
    place = delivery.finalize(
        world.inbox,
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
    if world.inbox is None:
        raise WrongSetting(
            "ehr.fhir_url is not set", remedy="Name the EHR's FHIR address; see `epikrise config check`."
        )
    with world.store.begin() as tx:
        case = tx.case(_case_id(step))
        drafts = _delivered(tx, case.id, below=step.generation + 1)
    for draft in drafts:
        delivery.withdraw(world.inbox, key=draft.key, posted=draft.posted, reason=case.withdrawn_by or "withdrawn")

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


def _place(inbox: Inbox, draft: _Delivered) -> Posted | None:
    return draft.posted or inbox.find(draft.key)


def _is_other_delivery(other: Step, step: Step) -> bool:
    return other.name == "deliver" and other.generation == step.generation and other.id != step.id


def set_delivery(tx: Transaction, case_id: str, state: DeliveryState) -> None:
    case = tx.case(case_id)
    if case.delivery is not state:
        tx.save_case(replace(case, delivery=state))


def _case_id(step: Step) -> str:
    if step.case_id is None:
        raise UnusableInput(f"step {step.name} names no case")
    return step.case_id
