import threading
from datetime import timedelta

import pytest
from store_fixtures import Clock

from adapters.store import SqlStore
from service.errors import LostLease, NotAllowed, NotFound
from service.model import Step, StepState

LEASE = timedelta(seconds=60)
SOON = timedelta(seconds=10)


def a_step(store: SqlStore, name: str = "write", *, subject: str = "", generation: int = 1) -> Step:
    """For one case, made on the first call."""
    with store.begin() as transaction:
        case = transaction.case_by_key("KLINIK|1") or transaction.add_case("KLINIK|1", lang="de")
        return transaction.add_step(name, name, case_id=case.id, subject=subject, generation=generation)


def claim(store: SqlStore, step: Step) -> Step | None:
    with store.begin() as transaction:
        return transaction.claim(step.id, lease=LEASE)


def held(store: SqlStore, step: Step) -> Step:
    claimed = claim(store, step)
    assert claimed is not None
    return claimed


def state_of(store: SqlStore, step: Step) -> StepState:
    with store.read() as transaction:
        return transaction.step(step.id).state


def a_dead_step(store: SqlStore) -> Step:
    step = held(store, a_step(store))
    with store.begin() as transaction:
        transaction.fail(step, code="writer_failed", text="no usable text", retry_at=None)
        return transaction.step(step.id)


def test_of_eight_threads_that_claim_a_step_exactly_one_gets_it(store: SqlStore) -> None:
    for round_ in range(5):
        step, start = a_step(store, subject=str(round_)), threading.Barrier(8)
        won: list[Step] = []

        def run(step: Step = step, start: threading.Barrier = start, won: list[Step] = won) -> None:
            start.wait()
            claimed = claim(store, step)
            if claimed is not None:
                won.append(claimed)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [(claimed.token, claimed.attempts) for claimed in won] == [(1, 1)]


def test_a_claim_says_until_when(store: SqlStore, clock: Clock) -> None:
    step = held(store, a_step(store))
    assert step.state is StepState.RUNNING
    assert (step.started_at, step.lease_until) == (clock.now, clock.now + LEASE)


def test_a_step_is_not_claimed_before_its_time(store: SqlStore, clock: Clock) -> None:
    with store.begin() as transaction:
        step = transaction.add_step("poll", "intake", not_before=clock.now + SOON)
    assert claim(store, step) is None
    clock.advance(seconds=10)
    assert claim(store, step) is not None


def test_a_lease_that_ran_out_goes_to_the_next_and_the_former_holder_changes_nothing(
    store: SqlStore, clock: Clock
) -> None:
    first = held(store, a_step(store))
    clock.advance(seconds=59)
    assert claim(store, first) is None
    clock.advance(seconds=1)
    second = held(store, first)
    assert (second.token, second.attempts) == (2, 2)
    for attempt in ("finish", "fail", "renew", "release"):
        with pytest.raises(LostLease), store.begin() as transaction:
            match attempt:
                case "finish":
                    transaction.finish(first)
                case "fail":
                    transaction.fail(first, code="x", text="", retry_at=None)
                case "renew":
                    transaction.renew(first, lease=LEASE)
                case "release":
                    transaction.release(first)
    with store.begin() as transaction:
        transaction.finish(second)
    assert state_of(store, first) is StepState.DONE


def test_a_renewed_lease_holds_longer(store: SqlStore, clock: Clock) -> None:
    step = held(store, a_step(store))
    clock.advance(seconds=50)
    with store.begin() as transaction:
        transaction.renew(step, lease=LEASE)
    clock.advance(seconds=50)
    assert claim(store, step) is None


def test_a_failed_step_is_tried_again_at_its_time(store: SqlStore, clock: Clock) -> None:
    step = held(store, a_step(store))
    with store.begin() as transaction:
        transaction.fail(step, code="ehr_unavailable", text="503", retry_at=clock.now + SOON)
        failed = transaction.step(step.id)
    assert (failed.state, failed.error_code, failed.error_text) == (StepState.FAILED, "ehr_unavailable", "503")
    assert claim(store, step) is None
    clock.advance(seconds=10)
    assert held(store, step).attempts == 2


def test_a_cancelled_step_cannot_be_finished(store: SqlStore) -> None:
    step = held(store, a_step(store))
    assert step.case_id is not None
    with store.begin() as transaction:
        assert transaction.cancel_steps(step.case_id) == 1
    with pytest.raises(LostLease), store.begin() as transaction:
        transaction.finish(step)
    assert state_of(store, step) is StepState.CANCELLED
    assert claim(store, step) is None


def test_only_named_steps_are_cancelled_and_done_ones_never(store: SqlStore) -> None:
    done = held(store, a_step(store, "chart"))
    write, deliver = a_step(store, "write"), a_step(store, "deliver")
    assert write.case_id is not None
    with store.begin() as transaction:
        transaction.finish(done)
        assert transaction.cancel_steps(write.case_id, names=["write", "chart"]) == 1
        assert [step.state for step in transaction.steps_of(write.case_id)] == [
            StepState.DONE,
            StepState.CANCELLED,
            StepState.WAITING,
        ]
    assert state_of(store, deliver) is StepState.WAITING


def test_a_released_step_waits_again_with_its_attempt_uncounted(store: SqlStore) -> None:
    step = held(store, a_step(store))
    with store.begin() as transaction:
        transaction.release(step)
        assert transaction.step(step.id).attempts == 0
    assert held(store, step).token == 2


def test_a_dead_step_is_listed_and_replayed_from_the_start(store: SqlStore) -> None:
    dead = a_dead_step(store)
    assert claim(store, dead) is None
    with store.begin() as transaction:
        assert transaction.dead_steps() == [dead]
        replayed = transaction.replay(dead.id)
        assert transaction.dead_steps() == []
    assert (replayed.state, replayed.attempts) == (StepState.WAITING, 0)
    assert held(store, dead).attempts == 1


def test_only_a_dead_step_is_replayed(store: SqlStore) -> None:
    step = a_step(store)
    with pytest.raises(NotAllowed), store.begin() as transaction:
        transaction.replay(step.id)
    with pytest.raises(NotFound), store.begin() as transaction:
        transaction.replay("0" * 32)


def test_a_dead_step_is_not_replayed_beside_its_live_successor(store: SqlStore) -> None:
    dead = a_dead_step(store)
    successor = a_step(store)
    assert successor.id != dead.id
    with pytest.raises(NotAllowed), store.begin() as transaction:
        transaction.replay(dead.id)


def test_adding_a_live_step_again_returns_it(store: SqlStore) -> None:
    step = a_step(store)
    assert a_step(store) == step
    assert a_step(store, generation=2).id != step.id
    assert a_step(store, subject="7").id != step.id
    running = held(store, step)
    assert a_step(store) == running
    with store.begin() as transaction:
        transaction.finish(running)
    assert a_step(store).id != step.id


def test_a_step_of_no_case_is_unique_by_its_subject(store: SqlStore) -> None:
    with store.begin() as transaction:
        first = transaction.add_step("read", "intake", subject="m1")
        assert transaction.add_step("read", "intake", subject="m1") == first
        assert transaction.add_step("read", "intake", subject="m2") != first


def test_of_eight_threads_that_add_the_same_step_all_get_the_same_one(store: SqlStore) -> None:
    a_step(store, "chart")
    start, added = threading.Barrier(8), []

    def run() -> None:
        start.wait()
        added.append(a_step(store, "write").id)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(added) == 8
    assert len(set(added)) == 1


def test_nothing_of_a_paused_queue_is_claimed_or_due(store: SqlStore) -> None:
    step = a_step(store)
    with store.begin() as transaction:
        transaction.pause("write", True)
        transaction.pause("write", True)
        assert transaction.paused_queues() == ["write"]
        assert transaction.due_steps(unrung_for=SOON) == []
    assert claim(store, step) is None
    with store.begin() as transaction:
        transaction.pause("write", False)
        assert transaction.paused_queues() == []
    assert claim(store, step) is not None


def test_the_sweeper_rings_for_what_was_never_rung_rung_long_ago_or_abandoned(store: SqlStore, clock: Clock) -> None:
    def due() -> list[str]:
        with store.read() as transaction:
            return [step.subject for step in transaction.due_steps(unrung_for=SOON)]

    waiting, taken, later = (a_step(store, subject=name) for name in ("waiting", "taken", "later"))
    held(store, taken)
    failed = held(store, later)
    with store.begin() as transaction:
        transaction.fail(failed, code="x", text="", retry_at=clock.now + timedelta(seconds=300))
    assert due() == ["waiting"]
    with store.begin() as transaction:
        transaction.mark_rung([waiting.id])
    assert due() == []
    clock.advance(seconds=10)
    assert due() == ["waiting"]
    clock.advance(seconds=50)
    assert due() == ["waiting", "taken"]
    clock.advance(seconds=240)
    assert due() == ["waiting", "taken", "later"]


def test_a_flood_of_one_name_delays_no_other_and_the_oldest_of_each_comes_first(store: SqlStore, clock: Clock) -> None:
    with store.begin() as transaction:
        case = transaction.add_case("KLINIK|1", lang="de")
        for number in range(30):
            transaction.add_step("read", "intake", subject=f"r{number:02}")
    clock.advance(seconds=1)
    with store.begin() as transaction:
        for number in range(2):
            transaction.add_step("chart", "intake", case_id=case.id, subject=f"c{number}", generation=1)
        transaction.add_step("write", "write", case_id=case.id, subject="w", generation=1)
    with store.read() as transaction:
        first = [step.subject for step in transaction.due_steps(unrung_for=SOON, limit=6)]
        of_write = [step.subject for step in transaction.due_steps(unrung_for=SOON, queues=["write"])]
    assert first == ["r00", "c0", "w", "r01", "c1", "r02"]
    assert of_write == ["w"]


def test_many_bells_are_marked_at_once(store: SqlStore) -> None:
    with store.begin() as transaction:
        steps = [transaction.add_step("read", "intake", subject=str(number)) for number in range(1203)]
        transaction.mark_rung([step.id for step in steps])
        assert transaction.due_steps(unrung_for=SOON) == []
        assert len(transaction.due_steps(unrung_for=timedelta(0), limit=7)) == 7


def test_health_has_a_row_for_each_stage_that_ever_had_a_step(store: SqlStore, clock: Clock) -> None:
    done = held(store, a_step(store, "chart"))
    with store.begin() as transaction:
        transaction.finish(done)
    dead = a_dead_step(store)
    clock.advance(seconds=100)
    a_step(store, "write")
    held(store, a_step(store, "write", subject="b"))
    clock.advance(seconds=20)
    with store.begin() as transaction:
        transaction.pause("write", True)
        rows = {row.stage: row for row in transaction.health()}
    assert dead.name == "write"
    assert list(rows) == ["chart", "write"]
    write, chart = rows["write"], rows["chart"]
    assert (write.waiting, write.running, write.failed, write.dead) == (1, 1, 0, 1)
    assert (write.oldest_age_seconds, write.paused) == (20.0, True)
    assert (chart.waiting, chart.running, chart.oldest_age_seconds, chart.paused) == (0, 0, None, False)
