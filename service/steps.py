"""The bodies of the journey's steps, from a message to a checked letter; service.ehr_steps has the rest.

Each reads what it needs, does its work outside any transaction, and returns a function that writes the
result; the pipeline calls it in the transaction that finishes the step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import tzinfo

import orjson

from service import lifecycle
from service.chart import build_chart, chart_from_payload, chart_payload
from service.chart.bundle import resources_of
from service.effects import start, take_effect
from service.errors import Conflict, ModelUnavailable, UnusableInput
from service.filing import file_reading, find_case
from service.identity import Alias, present_names
from service.intake import understand
from service.intake.numbers import NO_PRIOR
from service.intake.recorded import recorded_at
from service.letter import letter_from_payload, letter_payload, resolve, verification_payload
from service.model import (
    Case,
    CaseState,
    Chart,
    DeliveryState,
    Event,
    MessageFilter,
    RawLetter,
    Reading,
    Start,
    Step,
    StepState,
    StoredMessage,
    Trigger,
    WriterInfo,
)
from service.occasion import hl7_occasion, read_again
from service.patient_groups import has_several_patients
from service.ports import Message, MessageReader, Resource, Transaction
from service.starting import Occasion, decide
from service.verify import verify
from service.world import World

Settle = Callable[[Transaction], None]

DEPARTMENT_UNKNOWN = "department_unknown"
"""On a course's end that waits for a message which says where its visit is."""

_MOST_WAITING = 1000

CONTROL_ID_REUSED = "control_id_reused"
"""On a message whose sender had given its MSH-10 to other bytes: it is read all the same."""

MERGE_WITHOUT_PRIOR = "merge_without_prior"
"""On a merge, or a change of visit, without a prior number (MRG): nothing comes of it."""

SEVERAL_PATIENTS = "several_patients"
"""On a message that is filed for the first of its patients alone."""


def read(world: World, step: Step) -> Settle:
    """One stored message: what it means, which case it belongs to, and what that starts."""
    with world.store.begin() as tx:
        stored = tx.message(step.subject)
    if stored.channel == "fhir":
        return _nothing_to_read(step)
    message = world.reader(stored.body)
    reading = understand(message, authorities=world.rules.authorities, local=world.rules.local)
    occasion = hl7_occasion(message, world.rules.mapping)
    is_several = has_several_patients(message)
    names_prior = reading.former_patient_key is not None or reading.former_case_key is not None
    is_without_prior = not names_prior and not set(NO_PRIOR).isdisjoint(reading.warnings)

    def settle(tx: Transaction) -> None:
        if tx.is_control_id_reused(stored.id):
            tx.flag_message(stored.id, CONTROL_ID_REUSED)
        if is_several:
            tx.flag_message(stored.id, SEVERAL_PATIENTS)
        if is_without_prior:
            tx.flag_message(stored.id, MERGE_WITHOUT_PRIOR)
        if _is_filed_so(tx, stored.id, reading):
            return
        is_nobodys = reading.case_key is None and reading.patient_key is None
        if is_nobodys or reading.event is Event.IGNORED or occasion.on_trial:
            tx.file_message(
                stored.id, case_id=None, event=reading.event, event_time=reading.event_time, state="understood"
            )
            return
        start = decide_start(world, tx, reading, occasion)
        case = _file(world, tx, message, reading, message_id=stored.id, start=start)
        if case is not None and start is None and waits_for_place(world, tx, case, reading, occasion):
            tx.flag_message(stored.id, DEPARTMENT_UNKNOWN)
        if case is not None and reading.department:
            decide_what_waited(world, tx, case)

    return settle


def _file(
    world: World, tx: Transaction, message: Message, reading: Reading, *, message_id: str, start: Start | None
) -> Case | None:
    return file_reading(
        world,
        tx,
        message_id=message_id,
        key=reading.case_key,
        event=reading.event,
        event_time=reading.event_time,
        start=start,
        patient_key=reading.patient_key,
        former_patient_key=reading.former_patient_key,
        former_case_key=reading.former_case_key,
        recorded_at=recorded_at(message, world.rules.local),
    )


def _is_filed_so(tx: Transaction, message_id: str, reading: Reading) -> bool:
    """Whether an earlier reading filed it with the same meaning: read again, it takes no second effect."""
    filed = tx.listed_message(message_id)
    is_same = (filed.state, filed.event, filed.event_time) == ("understood", reading.event, reading.event_time)
    return is_same and (filed.case_id is not None or reading.case_key is None)


def _nothing_to_read(step: Step) -> Settle:
    raise UnusableInput(f"message {step.subject} is not HL7 v2", remedy="FHIR input is filed when it is received.")


def decide_start(world: World, tx: Transaction, reading: Reading, occasion: Occasion) -> Start | None:
    """The letter that a message starts by the rules in force now. Asked once, and kept with the message.

    A record-and-verify system's result seldom says where the patient is: then it is where the visit was last.
    """
    is_placed = reading.department and reading.patient_class
    if occasion.course_completed and not is_placed and reading.case_key is not None:
        tx.lock_identity(changing=False)
        case = find_case(tx, reading.case_key)
        if case is not None:
            rules = world.rules
            department, patient_class = place_of(
                tx, case.id, world.reader, rules.authorities, local=rules.local, at=reading.event_time
            )
            occasion = replace(occasion, department=department, patient_class=patient_class)
    return decide(world.rules.starts, reading, occasion).start


def place_of(
    tx: Transaction,
    case_id: str,
    reader: MessageReader,
    authorities: Mapping[str, str],
    *,
    local: tzinfo,
    at: str = "",
) -> tuple[str, str]:
    """(department, patient class) of a visit at a time (ISO 8601 in UTC), by the newest message until then that names
    one, else the first after it; without a time by the newest. Empty where none does."""
    found = ("", "")
    for stored in tx.messages_of(case_id):
        told = read_again(stored, reader, authorities, local=local)
        if told is None or not told[0].department:
            continue
        if at and found[0] and told[0].event_time > at:
            break
        found = (told[0].department, told[0].patient_class)
    return found


def waits_for_place(world: World, tx: Transaction, case: Case, reading: Reading, occasion: Occasion) -> bool:
    """A course ended, and nobody has said yet in which department: the rules cannot be asked."""
    if not occasion.course_completed or reading.department:
        return False
    return not place_of(tx, case.id, world.reader, world.rules.authorities, local=world.rules.local)[0]


def decide_what_waited(world: World, tx: Transaction, case: Case) -> None:
    """The department of a visit is told: a course's end that came before it starts its letter now, as it would have
    in the order of time."""
    if not any(rule.trigger is Trigger.COURSE_END for rule in world.rules.starts):
        return
    for row in tx.list_messages(MessageFilter(case_id=case.id, event=Event.RESULT), limit=_MOST_WAITING):
        if row.error_code != DEPARTMENT_UNKNOWN:
            continue
        message = world.reader(tx.message(row.id).body)
        reading = understand(message, authorities=world.rules.authorities, local=world.rules.local)
        start = decide_start(world, tx, reading, hl7_occasion(message, world.rules.mapping))
        tx.flag_message(row.id, SEVERAL_PATIENTS if has_several_patients(message) else None)
        if start is not None:
            _file(world, tx, message, reading, message_id=row.id, start=start)


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
    told = [(each.event, world.reader(each.body)) for each in stored if each.channel == "mllp"]
    resources: list[Resource] = []
    for message in stored:
        if message.channel == "fhir":
            resources += resources_of(orjson.loads(message.body))
    if world.chart_source is not None:
        resources += world.chart_source.resources(key, _patient_id(told))
    return _Gathered(
        chart=build_chart(
            [message for _, message in told],
            resources,
            visit_key=key,
            mapping=world.rules.mapping,
            local=world.rules.local,
        ),
        message_ids=[message.id for message in stored],
    )


def patient_number(world: World, stored: Sequence[StoredMessage]) -> str:
    """PID-3 of the newest message that has one, or what it was merged into since; empty where none has."""
    return _patient_id([(each.event, world.reader(each.body)) for each in stored if each.channel == "mllp"])


def _patient_id(told: Sequence[tuple[Event | None, Message]]) -> str:
    """``told``: in the order of events. Senders that have not heard of a merge go on with the former number."""
    numbers = [next((pid.value(3) for pid in message.segments("PID")[:1]), "") for _, message in told]
    merges = [
        Alias(former=mrg.value(1), present=number, event_time=f"{place:09}")
        for place, ((event, message), number) in enumerate(zip(told, numbers, strict=True))
        for mrg in message.segments("MRG")[:1]
        if event is Event.MERGE
    ]
    newest = next((number for number in reversed(numbers) if number), "")
    return present_names(merges).get(newest, newest)


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
