from datetime import UTC

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_fixtures import Clock

from adapters.store import SqlStore
from adapters.store.sql import SqlTransaction
from service.errors import NotFound
from service.model import Event, LetterKind, Start, Trigger

BODY = b"MSH|^~\\&|KIS|KLINIK|||20260312||ADT^A03|4711|P|2.5\r"


def keep(
    transaction: SqlTransaction, *, sender: str = "KIS|KLINIK", control_id: str = "4711", body: bytes = BODY
) -> str:
    message_id, _ = transaction.add_message(
        channel="mllp", sender=sender, control_id=control_id, body=body, ack_code="AA"
    )
    return message_id


def test_a_message_comes_back_byte_for_byte(store: SqlStore, clock: Clock) -> None:
    body = bytes(range(256)) * 40
    with store.begin() as transaction:
        message_id = keep(transaction, body=body)
    with store.begin() as transaction:
        kept = transaction.message(message_id)
    assert (kept.body, kept.sender, kept.control_id, kept.state) == (body, "KIS|KLINIK", "4711", "stored")
    assert kept.received_at == clock.now
    assert kept.received_at.tzinfo is UTC


def test_a_repetition_is_the_first_message_again(store: SqlStore) -> None:
    with store.begin() as transaction:
        first, is_new = transaction.add_message(
            channel="mllp", sender="KIS|KLINIK", control_id="4711", body=BODY, ack_code="AA"
        )
        assert is_new
    with store.begin() as transaction:
        again = transaction.add_message(
            channel="mllp", sender="KIS|KLINIK", control_id="4711", body=BODY, ack_code="AA"
        )
    assert again == (first, False)


def test_the_same_control_id_with_other_bytes_or_from_another_sender_is_kept_too(store: SqlStore) -> None:
    with store.begin() as transaction:
        ids = {keep(transaction), keep(transaction, body=BODY + b"X"), keep(transaction, sender="LAB")}
    assert len(ids) == 3


def test_no_sender_that_ends_like_a_control_id_makes_two_messages_one(store: SqlStore) -> None:
    with store.begin() as transaction:
        assert keep(transaction, sender="A", control_id="BC") != keep(transaction, sender="AB", control_id="C")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sender=st.text(max_size=20), control_id=st.text(st.characters(exclude_categories=[]), max_size=4000))
def test_any_header_can_be_stored_and_is_recognised_again(store: SqlStore, sender: str, control_id: str) -> None:
    with store.begin() as transaction:
        first = keep(transaction, sender=sender, control_id=control_id)
        assert keep(transaction, sender=sender, control_id=control_id) == first
        assert transaction.message(first).body == BODY


def test_filing_records_what_a_message_meant(store: SqlStore) -> None:
    with store.begin() as transaction:
        case = transaction.add_case("KLINIK|42", lang="de")
        message_id = keep(transaction)
        transaction.file_message(
            message_id,
            case_id=case.id,
            event=Event.DISCHARGE,
            event_time="2026-03-12T07:00:00+00:00",
            state="understood",
        )
        filed = transaction.message(message_id)
    assert (filed.case_id, filed.event, filed.state) == (case.id, Event.DISCHARGE, "understood")


def test_messages_of_a_case_come_by_event_time_then_by_arrival(store: SqlStore, clock: Clock) -> None:
    # 08:30 UTC is the arrival of what bears no time; offsets and precisions are mixed as hospitals mix them
    times = ["2026-03-12T10:00:00+01:00", "2026-03-12", "", "2026-03-12T08:45:00Z", "2026-03-12T10:00:00+01:00"]
    with store.begin() as transaction:
        case = transaction.add_case("KLINIK|42", lang="de")
        for number, told in enumerate(times):
            message_id = keep(transaction, control_id=str(number))
            transaction.file_message(
                message_id, case_id=case.id, event=Event.UPDATE, event_time=told, state="understood"
            )
        ordered = [message.control_id for message in transaction.messages_of(case.id)]
    assert ordered == ["1", "2", "3", "0", "4"]


def test_an_unknown_message_is_not_found(store: SqlStore) -> None:
    with pytest.raises(NotFound), store.begin() as transaction:
        transaction.message("0" * 32)
    with pytest.raises(NotFound), store.begin() as transaction:
        transaction.file_message("0" * 32, case_id=None, event=Event.IGNORED, event_time="", state="refused")


def test_what_a_failed_transaction_kept_is_gone(store: SqlStore) -> None:
    with pytest.raises(ZeroDivisionError), store.begin() as transaction:
        message_id = keep(transaction)
        _ = 1 / 0
    with pytest.raises(NotFound), store.begin() as transaction:
        transaction.message(message_id)


def test_what_a_message_starts_stays_with_it_when_it_is_filed_elsewhere(store: SqlStore) -> None:
    start = Start(rule="Strahlentherapie", trigger=Trigger.COURSE_END, letter=LetterKind.END_OF_RADIOTHERAPY)
    with store.begin() as transaction:
        message_id = keep(transaction)
        assert transaction.message(message_id).start is None
        first, second = (transaction.add_case(key, lang="de") for key in ("KIS|F1", "KIS|F2"))
        transaction.file_message(
            message_id, case_id=first.id, event=Event.RESULT, event_time="", state="understood", start=start
        )
        transaction.file_message(message_id, case_id=second.id, event=Event.RESULT, event_time="", state="understood")
    with store.begin() as transaction:
        (kept,) = transaction.messages_of(second.id)
    assert kept.start == start
