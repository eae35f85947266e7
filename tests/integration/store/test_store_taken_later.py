"""A message that was refused and comes again with the same bytes: what is acknowledged must be read."""

import asyncio

import pytest

from adapters.store import GroupCommit, Kept, SqlStore
from service.model import NewMessage

BODY = b"MSH|^~\\&|KIS|KLINIK|||20260312||ADT^A03|4711|P|2.5\r"


def message(state: str, error_code: str | None = None, ack_code: str = "AA") -> NewMessage:
    return NewMessage("mllp", "KIS|KLINIK", "4711", BODY, ack_code, state, error_code, "ADT^A03")


def keep(store: SqlStore, *messages: NewMessage) -> list[Kept]:
    async def run() -> list[Kept]:
        async with GroupCommit(store) as intake:
            return [await intake.keep(each) for each in messages]

    return asyncio.run(run())


@pytest.mark.parametrize("why", ["truncated", "207", "201"])
def test_a_message_refused_before_and_taken_now_is_read_once(store: SqlStore, why: str) -> None:
    first, again, third = keep(store, message("refused", why, "AR"), message("stored"), message("stored"))

    assert first.message_id == again.message_id == third.message_id
    assert [each.is_new for each in (first, again, third)] == [True, True, False]
    with store.read() as tx:
        kept = tx.listed_message(first.message_id)
        assert (kept.state, kept.ack_code, kept.error_code) == ("stored", "AA", None)
        assert [step.name for step in tx.steps_about(first.message_id)] == ["read"]


def test_a_message_refused_again_stays_refused(store: SqlStore) -> None:
    _, again = keep(store, message("refused", "201", "AE"), message("refused", "201", "AE"))

    assert not again.is_new
    with store.read() as tx:
        assert tx.listed_message(again.message_id).state == "refused"
        assert not tx.steps_about(again.message_id)


def test_a_message_taken_before_is_not_refused_by_a_broken_frame_later(store: SqlStore) -> None:
    first, _ = keep(store, message("stored"), message("refused", "truncated", "AR"))

    with store.read() as tx:
        assert tx.listed_message(first.message_id).state == "stored"
        assert len(tx.steps_about(first.message_id)) == 1
