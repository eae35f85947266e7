"""Kept messages as lists and counts: the right ones, in the right order, and none of them opened."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from store_fixtures import Clock

from adapters.store import SqlStore, scope
from adapters.store.sql import SqlTransaction
from service.errors import NotFound
from service.model import Event, ListedMessage, MessageFilter

BODY = b"MSH|^~\\&|KIS|KLINIK|||20260312||ADT^A03|4711|P|2.5\r"


@pytest.fixture(autouse=True)
def _ids_by_the_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Ids grow with the clock of the test, as they grow with the clock of the hospital."""
    monkeypatch.setattr(scope, "_last", 0)
    monkeypatch.setattr(scope, "time", SimpleNamespace(time_ns=lambda: int(clock.now.timestamp() * 1e9)))


def keep(tx: SqlTransaction, control_id: str, *, channel: str = "mllp", refused: str | None = None) -> str:
    message_id, _ = tx.add_message(
        channel=channel,
        sender="KIS|KLINIK",
        control_id=control_id,
        body=BODY + control_id.encode(),
        ack_code="AE" if refused else "AA",
        state="refused" if refused else "stored",
        error_code=refused,
    )
    return message_id


def listed(store: SqlStore, wanted: MessageFilter | None = None, **page: str) -> list[str]:
    with store.read() as tx:
        return [each.control_id for each in tx.list_messages(wanted or MessageFilter(), limit=100, **page)]


def test_the_newest_message_comes_first_and_says_what_is_known_without_its_body(store: SqlStore, clock: Clock) -> None:
    with store.begin() as tx:
        keep(tx, "1", refused="201")
        message_id = keep(tx, "2")
        case = tx.add_case("KLINIK|42", lang="de")
        tx.file_message(
            message_id, case_id=case.id, event=Event.DISCHARGE, event_time="2026-03-12T07:00:00", state="understood"
        )
    with store.read() as tx:
        newest, oldest = tx.list_messages(MessageFilter(), limit=5)
        assert tx.listed_message(message_id) == newest
    assert newest == ListedMessage(
        id=message_id,
        received_at=clock.now,
        channel="mllp",
        sender="KIS|KLINIK",
        control_id="2",
        kind="",
        state="understood",
        ack_code="AA",
        error_code=None,
        event=Event.DISCHARGE,
        event_time="2026-03-12T07:00:00",
        case_id=case.id,
    )
    assert (oldest.state, oldest.ack_code, oldest.error_code, oldest.event) == ("refused", "AE", "201", None)


def test_pages_follow_each_other_without_a_gap_or_a_repetition_while_messages_arrive(store: SqlStore) -> None:
    with store.begin() as tx:
        for number in range(25):
            keep(tx, f"{number:02}")
    seen: list[str] = []
    before = None
    while True:
        with store.begin() as tx:
            page = tx.list_messages(MessageFilter(), limit=10, before=before)
            keep(tx, f"new {len(seen)}")
        if not page:
            break
        seen += [each.control_id for each in page]
        before = page[-1].id
    assert seen == [f"{number:02}" for number in reversed(range(25))]


def test_the_page_of_newer_messages_is_the_one_next_to_it_and_newest_first(store: SqlStore) -> None:
    with store.begin() as tx:
        ids = [keep(tx, str(number)) for number in range(9)]
        page = tx.list_messages(MessageFilter(), limit=3, after=ids[2])
    assert [each.control_id for each in page] == ["5", "4", "3"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"control_id": "ADT1"}, ["ADT1"]),
        ({"control_id": "ADT"}, []),
        ({"control_id_start": "ADT"}, ["ADT2", "ADT1"]),
        ({"control_id_start": "adt"}, ["adt3"]),
        ({"control_id_start": "A%"}, ["A%4"]),
        ({"control_id_start": "_"}, []),
        ({"state": "refused"}, ["A%4"]),
        ({"state": "stored", "channel": "fhir"}, ["Encounter/5"]),
        ({"event": Event.DISCHARGE}, ["ADT2"]),
        ({"case_id": "0" * 32}, []),
        ({"control_id": "' OR 1=1 --"}, []),
    ],
)
def test_a_filter_finds_exactly_what_it_says(store: SqlStore, wanted: dict[str, object], found: list[str]) -> None:
    with store.begin() as tx:
        keep(tx, "ADT1")
        discharge = keep(tx, "ADT2")
        keep(tx, "adt3")
        keep(tx, "A%4", refused="201")
        keep(tx, "Encounter/5", channel="fhir")
        tx.file_message(discharge, case_id=None, event=Event.DISCHARGE, event_time="", state="understood")
    assert listed(store, MessageFilter(**wanted)) == found  # type: ignore[arg-type]  # as the table above writes it


def test_a_filter_by_case_finds_its_messages_only(store: SqlStore) -> None:
    with store.begin() as tx:
        case = tx.add_case("KLINIK|42", lang="de")
        keep(tx, "other")
        own = keep(tx, "own")
        tx.file_message(own, case_id=case.id, event=Event.UPDATE, event_time="", state="understood")
    assert listed(store, MessageFilter(case_id=case.id)) == ["own"]


def test_a_span_of_time_includes_its_start_and_excludes_its_end(store: SqlStore, clock: Clock) -> None:
    start = clock.now
    for hour in range(6):
        clock.now = start + timedelta(hours=hour)
        with store.begin() as tx:
            keep(tx, str(hour))
    wanted = MessageFilter(since=start + timedelta(hours=1), until=start + timedelta(hours=4))
    assert listed(store, wanted) == ["3", "2", "1"]


def test_a_message_that_could_not_be_read_is_found_by_its_dead_step(store: SqlStore) -> None:
    with store.begin() as tx:
        keep(tx, "fine")
        broken = keep(tx, "broken")
        step = tx.add_step("read", "intake", subject=broken)
        claimed = tx.claim(step.id, lease=timedelta(minutes=1))
        assert claimed is not None
        tx.fail(claimed, code="unexpected", text="KeyError at service.x:1", retry_at=None)
    assert listed(store, MessageFilter(read_is_dead=True)) == ["broken"]
    with store.read() as tx:
        assert [each.read_is_dead for each in tx.list_messages(MessageFilter(), limit=5)] == [True, False]
        assert tx.listed_message(broken).read_is_dead


def test_the_steps_about_a_message_are_those_with_it_as_subject(store: SqlStore) -> None:
    with store.begin() as tx:
        case = tx.add_case("KLINIK|42", lang="de")
        first, second = keep(tx, "1"), keep(tx, "2")
        read = tx.add_step("read", "intake", subject=first)
        tx.add_step("read", "intake", subject=second)
        refresh = tx.add_step("refresh", "intake", case_id=case.id, subject=first)
    with store.read() as tx:
        assert [step.id for step in tx.steps_about(first)] == [read.id, refresh.id]
        assert tx.steps_about("' OR 1=1") == []


def test_messages_are_counted_by_hour_and_state_from_a_time_on(store: SqlStore, clock: Clock) -> None:
    clock.now = datetime(2026, 3, 12, 6, 59, tzinfo=UTC)
    for minutes, number, refused in ((0, 4, None), (2, 3, None), (30, 1, "201"), (62, 2, None)):
        clock.now = datetime(2026, 3, 12, 6, 59, tzinfo=UTC) + timedelta(minutes=minutes)
        with store.begin() as tx:
            for each in range(number):
                keep(tx, f"{minutes}-{each}", refused=refused)
    with store.read() as tx:
        counted = tx.count_messages(since=datetime(2026, 3, 12, 7, 0, tzinfo=UTC))
    assert [(each.hour.hour, each.state, each.number) for each in counted] == [
        (7, "refused", 1),
        (7, "stored", 3),
        (8, "stored", 2),
    ]
    assert {each.hour.utcoffset() for each in counted} == {timedelta(0)}


def test_listing_and_counting_open_no_body(store: SqlStore, clock: Clock) -> None:
    with store.begin() as tx:
        message_id = keep(tx, "1")

    class Sealed:
        """A ring that opens nothing."""

        ids = ()

        def open(self, *_: object) -> bytes:
            raise AssertionError("a body was opened")

    blind = SqlStore(store._engine, Sealed(), clock=clock)  # type: ignore[arg-type]  # only what listing may use
    with blind.read() as tx:
        assert [each.id for each in tx.list_messages(MessageFilter(), limit=5)] == [message_id]
        assert tx.listed_message(message_id).control_id == "1"
        assert sum(each.number for each in tx.count_messages(since=clock.now - timedelta(days=1))) == 1


def test_an_unknown_message_is_not_found(store: SqlStore) -> None:
    with pytest.raises(NotFound), store.read() as tx:
        tx.listed_message("0" * 32)
