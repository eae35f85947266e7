import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.keys import KeyRing
from adapters.store import GroupCommit, Kept, SqlStore, open_store
from service.errors import BrokerUnavailable, StoreUnavailable
from service.model import NewMessage, Step
from service.ports import Transaction

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


class Watched:
    """A store that counts its transactions and can be told to fail or to wait."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.transactions = 0
        self.failing = False
        self.may_begin = threading.Event()
        self.may_begin.set()

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        self.may_begin.wait()
        self.transactions += 1
        if self.failing:
            raise StoreUnavailable("test")
        with self._store.begin() as transaction:
            yield transaction

    def check(self) -> None:
        self._store.check()


async def keep(intake: GroupCommit, control_id: str, *, state: str = "stored", body: bytes = b"MSH|") -> Kept:
    return await intake.keep(NewMessage("mllp", "KIS", control_id, body, "AA", state))


def test_many_waiting_messages_share_few_commits_and_each_learns_its_own_result(store: SqlStore) -> None:
    watched = Watched(store)

    async def run() -> list[Kept]:
        async with GroupCommit(watched) as intake:
            return await asyncio.gather(*(keep(intake, str(number)) for number in range(500)))

    results = asyncio.run(run())
    assert watched.transactions < 50
    with store.read() as transaction:
        assert [transaction.message(kept.message_id).control_id for kept in results] == [
            str(number) for number in range(500)
        ]


def test_a_new_message_starts_its_reading_and_the_bell_is_told_after_the_commit(store: SqlStore) -> None:
    rung: list[Step] = []

    def ring(steps: Sequence[str]) -> None:
        with store.read() as transaction:  # another transaction sees it: it is committed
            rung.extend(transaction.step(step) for step in steps)

    async def run() -> list[Kept]:
        async with GroupCommit(store, after_commit=ring) as intake:
            return [
                await keep(intake, "1"),
                await keep(intake, "1"),
                await keep(intake, "2", state="refused"),
                await keep(intake, "3"),
            ]

    first, again, refused, third = asyncio.run(run())
    assert (first.is_new, again.is_new, refused.is_new) == (True, False, True)
    assert again.message_id == first.message_id
    assert [(step.name, step.queue, step.subject) for step in rung] == [
        ("read", "intake", first.message_id),
        ("read", "intake", third.message_id),
    ]


def test_one_bad_message_fails_alone(store: SqlStore) -> None:
    watched = Watched(store)
    watched.may_begin.clear()

    async def run() -> list[Kept | BaseException]:
        async with GroupCommit(watched) as intake:
            keeping = [asyncio.create_task(keep(intake, str(number))) for number in range(20)]
            bad = asyncio.create_task(keep(intake, "bad", state=None))  # type: ignore[arg-type]
            keeping.insert(10, bad)
            await asyncio.sleep(0)
            watched.may_begin.set()
            return await asyncio.gather(*keeping, return_exceptions=True)

    results = asyncio.run(run())
    failed = [result for result in results if isinstance(result, BaseException)]
    assert len(results) == 21
    assert len(failed) == 1
    assert failed[0] is results[10]


def test_while_the_store_is_away_every_caller_is_told_and_afterwards_it_goes_on(store: SqlStore) -> None:
    watched = Watched(store)

    async def run() -> tuple[list[Kept | BaseException], Kept]:
        async with GroupCommit(watched) as intake:
            watched.failing = True
            refused = await asyncio.gather(*(keep(intake, str(n)) for n in range(30)), return_exceptions=True)
            assert watched.transactions < 10  # nobody waits while each message meets the same fate alone
            watched.failing = False
            return refused, await keep(intake, "later")

    refused, later = asyncio.run(run())
    assert all(isinstance(result, StoreUnavailable) for result in refused)
    assert later.is_new


def test_a_full_queue_makes_its_senders_wait(store: SqlStore) -> None:
    watched = Watched(store)
    watched.may_begin.clear()

    async def run() -> tuple[int, int]:
        async with GroupCommit(watched, capacity=4) as intake:
            keeping = [asyncio.create_task(keep(intake, str(number))) for number in range(12)]
            await asyncio.sleep(0.05)
            queued = intake.queued
            watched.may_begin.set()
            return queued, len(await asyncio.gather(*keeping))

    queued, kept = asyncio.run(run())
    assert queued <= 4
    assert kept == 12


def test_a_caller_that_gives_up_disturbs_nobody_and_its_place_is_free_again(store: SqlStore) -> None:
    watched = Watched(store)
    watched.may_begin.clear()

    async def run() -> list[Kept]:
        async with GroupCommit(watched, capacity=2) as intake:
            impatient = [asyncio.create_task(keep(intake, f"i{number}")) for number in range(2)]
            await asyncio.sleep(0.02)
            for task in impatient:
                task.cancel()
            watched.may_begin.set()
            for task in impatient:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            return [await keep(intake, str(number)) for number in range(5)]

    assert len(asyncio.run(run())) == 5


def test_stopping_keeps_what_was_handed_in_and_refuses_the_rest(store: SqlStore) -> None:
    watched = Watched(store)
    watched.may_begin.clear()

    async def run() -> list[Kept]:
        intake = GroupCommit(watched)
        async with intake:
            keeping = [asyncio.create_task(keep(intake, str(number))) for number in range(10)]
            await asyncio.sleep(0.02)
            watched.may_begin.set()
        with pytest.raises(StoreUnavailable):
            await keep(intake, "late")
        return await asyncio.gather(*keeping)

    assert len(asyncio.run(run())) == 10


def test_a_broker_that_is_away_or_slow_delays_no_acknowledgement(store: SqlStore) -> None:
    calls: list[int] = []
    free = threading.Event()

    def ring(steps: Sequence[str]) -> None:
        calls.append(len(steps))
        if len(calls) == 1:
            free.wait()
            raise BrokerUnavailable
        if len(calls) == 2:
            raise ValueError

    async def run() -> None:
        async with GroupCommit(store, after_commit=ring) as intake:
            for number in range(20):
                await asyncio.wait_for(keep(intake, str(number)), timeout=5)
            free.set()

    asyncio.run(run())
    assert sum(calls) == 20


def _kill_after(acknowledged: int, *, mode: str, url: str, home: Path) -> list[str]:
    """Control ids that a child acknowledged until it was killed with SIGKILL."""
    command = [sys.executable, str(HERE / "acknowledging_child.py"), url, str(home), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(acknowledged)]
        child.kill()
        lines += child.stdout.readlines()
    return [line.decode().strip() for line in lines if line.endswith(b"\n")]


def _lost(acknowledged: Sequence[str], *, url: str, keyring: KeyRing) -> list[str]:
    """Acknowledged control ids that are in no row; a repetition of a kept message is not new."""
    store = open_store(url, keyring)
    with store.begin() as transaction:
        lost = [
            control_id
            for control_id in acknowledged
            if transaction.add_message(
                channel="mllp", sender="KIS", control_id=control_id, body=control_id.encode(), ack_code="AA"
            )[1]
        ]
    store.close()
    return lost


def test_whatever_was_acknowledged_before_a_kill_is_in_the_store(
    store_url: str, keyring: KeyRing, tmp_path: Path
) -> None:
    acknowledged = _kill_after(60, mode="honest", url=store_url, home=tmp_path / "home")
    assert len(acknowledged) >= 60
    assert _lost(acknowledged, url=store_url, keyring=keyring) == []


def test_the_same_kill_exposes_an_acknowledgement_before_the_commit(
    store_url: str, keyring: KeyRing, tmp_path: Path
) -> None:
    """The positive control: without it the test above might be blind."""
    acknowledged = _kill_after(60, mode="early", url=store_url, home=tmp_path / "home")
    assert _lost(acknowledged, url=store_url, keyring=keyring) != []
