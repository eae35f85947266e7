"""A kept message read again: what is known changes nothing, what was misjudged takes effect, and it is on record."""

from dataclasses import replace
from datetime import timedelta

import pytest
from journey_world import Journey, adt, oru

from service import signoff
from service.disclosure import check_actor, open_message
from service.errors import EpikriseError, NotAllowed, NotFound, UnusableInput
from service.model import AuditEntry, CaseState, Event, StepState
from service.pipeline import run_step
from service.rereading import Judge, judge, replay_message, replay_messages


def by(journey: Journey) -> Judge:
    rules = journey.world.rules
    return Judge(reader=journey.world.reader, authorities=rules.authorities, local=rules.local)


def replay(journey: Journey, message_id: str) -> str:
    with journey.store.begin() as tx:
        return replay_message(tx, message_id, by=by(journey), actor="Ina Technik").id


def keep(journey: Journey, body: bytes, *, error_code: str, channel: str = "mllp") -> str:
    with journey.store.begin() as tx:
        message_id, _ = tx.add_message(
            channel=channel,
            sender="KIS|ONK",
            control_id="X",
            body=body,
            ack_code="AE",
            state="refused",
            error_code=error_code,
        )
    return message_id


def trail(journey: Journey) -> list[AuditEntry]:
    with journey.store.read() as tx:
        return list(tx.audit_trail())


@pytest.mark.parametrize("signed", [False, True])
def test_what_is_known_is_not_filed_twice_and_no_second_letter_starts(journey: Journey, signed: bool) -> None:
    messages = [adt("A01", minute=0), oru(minute=5), adt("A03", minute=10), adt("A08", minute=20)]
    ids = [journey.receive(each) for each in messages]
    journey.run_all()
    if signed:
        desk = signoff.open_desk(journey.world, journey.case.id)
        signoff.sign(
            journey.world, journey.case.id, revision=desk.review.revision, digest=desk.digest, signer="Dr. Muster"
        )
        journey.run_all()
    before = journey.case

    for message_id in ids:
        replay(journey, message_id)
    journey.run_all()

    assert journey.case == before
    assert len(journey.inbox.held) == 1
    with journey.store.read() as tx:
        assert {message.state for message in tx.messages_of(before.id)} == {"understood"}
        assert len(tx.messages_of(before.id)) == len(messages)


def test_a_message_refused_by_a_fault_that_was_mended_starts_its_letter(journey: Journey) -> None:
    journey.receive(adt("A01", minute=0))
    refused = keep(journey, adt("A03", minute=10), error_code="201")
    journey.run_all()
    before = journey.case.state

    replay(journey, refused)
    journey.run_all()

    assert (before, journey.case.state) == (CaseState.OPEN, CaseState.IN_INBOX)
    with journey.store.read() as tx:
        message = tx.listed_message(refused)
    assert (message.state, message.event, message.case_id) == ("understood", Event.DISCHARGE, journey.case.id)
    assert (message.ack_code, message.error_code) == ("AE", "201")  # that is what the sender was told


@pytest.mark.parametrize(
    ("body", "code", "why"),
    [
        (adt("Q99", minute=1), "201", "201 at MSH-9"),
        (b"nothing of HL7", "100", "no MSH segment"),
        (adt("A03", minute=1), "truncated", "not whole (truncated)"),
    ],
)
def test_what_would_be_refused_today_as_well_or_is_not_whole_is_not_read(
    journey: Journey, body: bytes, code: str, why: str
) -> None:
    refused = keep(journey, body, error_code=code)
    with pytest.raises(NotAllowed, match=why.replace("(", r"\(").replace(")", r"\)")):
        replay(journey, refused)
    journey.run_all()
    with journey.store.read() as tx:
        assert tx.listed_message(refused).state == "refused"
        assert not tx.steps_about(refused)
    assert trail(journey) == []


def test_fhir_is_read_on_arrival_and_never_again(journey: Journey) -> None:
    refused = keep(journey, b"{}", error_code="unusable_input", channel="fhir")
    with pytest.raises(NotAllowed, match="read on arrival"):
        replay(journey, refused)


def test_a_dead_reading_is_taken_up_again_and_not_doubled(journey: Journey) -> None:
    message_id = journey.receive(adt("A01", minute=0))
    (read,) = journey.due()

    def broken(_: bytes) -> None:
        raise UnusableInput("a fault of ours")

    run_step(replace(journey.world, reader=broken), read.id)  # type: ignore[arg-type]  # the fault
    with journey.store.read() as tx:
        assert tx.listed_message(message_id).read_is_dead

    assert replay(journey, message_id) == replay(journey, message_id) == read.id
    journey.run_all()

    with journey.store.read() as tx:
        assert [step.state for step in tx.steps_about(message_id)] == [StepState.DONE]
        assert tx.listed_message(message_id).case_id == journey.case.id


def test_a_message_that_was_ignored_and_is_understood_now_takes_effect(journey: Journey) -> None:
    message_id = journey.receive(adt("A01", minute=0))
    with journey.store.begin() as tx:  # as a former release left it
        tx.file_message(message_id, case_id=None, event=Event.IGNORED, event_time="", state="understood")
        (step,) = tx.steps_about(message_id)
        claimed = tx.claim(step.id, lease=timedelta(minutes=1))
        assert claimed is not None
        tx.finish(claimed)

    replay(journey, message_id)
    journey.run_all()

    with journey.store.read() as tx:
        assert tx.listed_message(message_id).event is Event.ADMIT
        assert tx.listed_message(message_id).case_id == journey.case.id


def test_one_that_cannot_be_read_does_not_hold_up_the_others(journey: Journey) -> None:
    bad, good = keep(journey, adt("Q99", minute=1), error_code="201"), journey.receive(adt("A01", minute=0))
    with journey.store.begin() as tx:
        outcomes = replay_messages(tx, [bad, "0" * 32, good], by=by(journey), actor="Ina Technik")
    assert [(each.message_id, each.step is not None) for each in outcomes] == [
        (bad, False),
        ("0" * 32, False),
        (good, True),
    ]
    assert "201 at MSH-9" in outcomes[0].reason
    assert [(each.actor, each.action, each.detail) for each in trail(journey)] == [
        ("Ina Technik", "message_replayed", good)
    ]


def test_today_s_judgement_names_codes_and_fields_and_no_patient(journey: Journey) -> None:
    message_id = journey.receive(adt("A03", minute=1, visit=""))
    with journey.store.begin() as tx:
        judged = judge(by(journey), tx.message(message_id))
    assert judged.is_taken
    assert judged.event == "discharge"
    assert "PV1-19" in " ".join(judged.warnings)
    assert "Beispiel" not in str(judged)


def test_content_is_on_record_before_it_is_shown(journey: Journey) -> None:
    message_id = journey.receive(adt("A01", minute=0))
    journey.run_all()
    stored = open_message(journey.store, message_id, actor="  Ina   Technik ")
    assert stored.body == adt("A01", minute=0)
    (entry,) = trail(journey)
    assert (entry.actor, entry.action, entry.case_id, entry.detail) == (
        "Ina Technik",
        "message_opened",
        journey.case.id,
        message_id,
    )


def test_content_that_is_not_there_leaves_no_entry(journey: Journey) -> None:
    with pytest.raises(NotFound):
        open_message(journey.store, "0" * 32, actor="Ina Technik")
    assert trail(journey) == []


@pytest.mark.parametrize("name", ["", " ", "x", "12345", "a" * 81, "Ina\x00", "Ina\u202eTechnik"])
def test_a_name_that_says_nobody_opens_nothing(journey: Journey, name: str) -> None:
    message_id = journey.receive(adt("A01", minute=0))
    with pytest.raises(EpikriseError) as refused:
        open_message(journey.store, message_id, actor=name)
    assert refused.value.code == "unusable_input"
    assert trail(journey) == []
    if name.strip():
        assert name not in str(refused.value) or len(name) == 1


def test_a_name_is_kept_as_it_is_written() -> None:
    assert check_actor("Jürgen  Groß-Müller") == "Jürgen Groß-Müller"
