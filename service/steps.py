"""The bodies of the journey's steps, from a message to a checked letter; service.ehr_steps has the rest.

Each reads what it needs, does its work outside any transaction, and returns a function that writes the
result; the pipeline calls it in the transaction that finishes the step.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

import orjson

from service import lifecycle
from service.chart import build_chart, chart_from_payload, chart_payload
from service.chart.bundle import resources_of
from service.errors import Conflict, ModelUnavailable, UnusableInput
from service.intake import understand
from service.letter import letter_from_payload, letter_payload, resolve, verification_payload
from service.lifecycle import Consequence
from service.model import (
    Case,
    CaseState,
    Chart,
    DeliveryState,
    Event,
    RawLetter,
    Reading,
    Step,
    StepState,
    StoredMessage,
    WriterInfo,
)
from service.ports import Message, Resource, Transaction
from service.verify import verify
from service.world import World

Settle = Callable[[Transaction], None]

_CHART_STEPS = ("chart", "write", "check", "deliver", "refresh")
"""What ends when a draft is begun anew or withdrawn."""

_LATE_ARRIVAL = timedelta(seconds=90)
"""How long a request that nobody waits for any more may take to reach the EHR."""


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
        if _is_filed_so(tx, stored.id, reading):
            return
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


def _is_filed_so(tx: Transaction, message_id: str, reading: Reading) -> bool:
    """Whether an earlier reading filed it with the same meaning: read again, it takes no second effect."""
    filed = tx.listed_message(message_id)
    is_same = (filed.state, filed.event, filed.event_time) == ("understood", reading.event, reading.event_time)
    return is_same and (filed.case_id is not None or reading.case_key is None)


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


# ---------------------------------------------------------------- chart


def chart(world: World, step: Step) -> Settle:
    """All messages of the case and the EHR's resources become facts."""
    built = _gather(world, case_id_of(step)).chart

    def settle(tx: Transaction) -> None:
        case = tx.case(case_id_of(step))
        tx.put("chart", case.id, step.generation, chart_payload(built))
        if not any(fact.handle.startswith(("diagnosis.", "course.")) for fact in built.facts):
            tx.save_case(lifecycle.hold(case, lifecycle.NOTHING_TO_SAY))
            return
        case = tx.save_case(replace(case, state=CaseState.DRAFTING))
        start(tx, case, "write")

    return settle


def refresh(world: World, step: Step) -> Settle:
    """Something came in after the discharge: does it change what the draft states?"""
    seen = _gather(world, case_id_of(step))

    def settle(tx: Transaction) -> None:
        case = tx.case(case_id_of(step))
        if any(s.name == "chart" and s.state is StepState.RUNNING for s in tx.steps_of(case.id)):
            raise Conflict("the chart is being read", remedy="It is compared when that is done.")
        if [message.id for message in tx.messages_of(case.id)] != seen.message_ids:
            return  # each message brings a refresh of its own, and that one has seen more
        before = tx.get("chart", case.id, case.generation)
        if before is None:
            return  # the chart step of this generation has yet to start, and will see it
        changed = changed_handles(chart_from_payload(before), seen.chart)
        if not changed and tx.get("latest_chart", case.id, case.generation) is None:
            return
        tx.put("latest_chart", case.id, case.generation, chart_payload(seen.chart))
        draft = tx.get("draft", case.id, case.generation)
        stated = draft is None or bool(changed & {span.handle for span in letter_from_payload(draft).spans})
        if changed:
            take_effect(tx, lifecycle.chart_changed(case, stated=stated))

    return settle


def changed_handles(before: Chart, after: Chart) -> set[str]:
    """Handles whose value differs, appeared or went."""
    old = {fact.handle: fact.value for fact in before.facts}
    new = {fact.handle: fact.value for fact in after.facts}
    return {handle for handle in old.keys() | new.keys() if old.get(handle) != new.get(handle)}


@dataclass(frozen=True, kw_only=True)
class _Gathered:
    """A chart, and the messages that it was read from."""

    chart: Chart
    message_ids: list[str]


def _gather(world: World, case_id: str) -> _Gathered:
    with world.store.begin() as tx:
        key = tx.case(case_id).key
        stored = tx.messages_of(case_id)
    messages: list[Message] = [world.reader(message.body) for message in stored if message.channel == "mllp"]
    resources: list[Resource] = []
    for message in stored:
        if message.channel == "fhir":
            resources += resources_of(orjson.loads(message.body))
    if world.chart_source is not None:
        resources += world.chart_source.resources(key, _patient_id(messages))
    return _Gathered(
        chart=build_chart(messages, resources, visit_key=key), message_ids=[message.id for message in stored]
    )


def patient_number(world: World, stored: Sequence[StoredMessage]) -> str:
    """PID-3 of the newest message that has one; empty where none has."""
    return _patient_id([world.reader(message.body) for message in stored if message.channel == "mllp"])


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
        case = tx.case(case_id_of(step))
        payload = tx.get("chart", case.id, step.generation)
    if payload is None:
        raise UnusableInput("the case has no chart", remedy="Run `epikrise case retry` for this case.")
    raw = world.writer.write(chart_from_payload(payload), case.lang)

    def settle(tx: Transaction) -> None:
        tx.put("raw", case.id, step.generation, asdict(raw))
        start(tx, tx.case(case.id), "check")

    return settle


def check(world: World, step: Step) -> Settle:
    """Handles become values with sources; the letter is held against the chart."""
    with world.store.begin() as tx:
        facts, raw = (
            tx.get("chart", case_id_of(step), step.generation),
            tx.get("raw", case_id_of(step), step.generation),
        )
    if facts is None or raw is None:
        raise UnusableInput("the case has no chart or no raw letter", remedy="Run `epikrise case retry`.")
    known = chart_from_payload(facts)
    letter = resolve(RawLetter(raw=raw["raw"], lang=raw["lang"], writer=WriterInfo(**raw["writer"])), known)
    verification = verify(letter.text, known, letter.lang, spans=letter.spans)

    def settle(tx: Transaction) -> None:
        case = tx.case(case_id_of(step))
        tx.put("draft", case.id, step.generation, letter_payload(letter))
        tx.put("verification", case.id, step.generation, verification_payload(verification))
        case = tx.save_case(replace(case, state=CaseState.DRAFTED, delivery=DeliveryState.WAITING))
        start(tx, case, "deliver")

    return settle


def set_delivery(tx: Transaction, case_id: str, state: DeliveryState) -> None:
    case = tx.case(case_id)
    if case.delivery is not state:
        tx.save_case(replace(case, delivery=state))


def case_id_of(step: Step) -> str:
    """Raises UnusableInput for a step that belongs to no case."""
    if step.case_id is None:
        raise UnusableInput(f"step {step.name} names no case")
    return step.case_id
