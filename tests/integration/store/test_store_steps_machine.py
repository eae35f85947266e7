"""Steps under arbitrary histories of claims, crashes, delays, cancellations and replays."""

from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from store_fixtures import Clock

from adapters.store import SqlStore
from service.errors import LostLease, NotAllowed
from service.model import Step, StepState

LEASE = timedelta(seconds=60)
ENDED = {StepState.DONE, StepState.CANCELLED}


class Journey(RuleBasedStateMachine):
    """One step, any number of workers; the model beside it says what each of them may do."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        super().__init__()
        self.store = store
        self.clock = clock
        self.holder: Step | None = None
        self.former: list[Step] = []
        self.state = StepState.WAITING
        self.attempts = 0

    @initialize()
    def begin(self) -> None:
        with self.store.begin() as transaction:
            case = transaction.add_case(f"KLINIK|{id(self)}|{self.clock.now}", lang="de")
            self.step = transaction.add_step("write", "write", case_id=case.id)
        self.case_id = case.id
        self.due_at: datetime = self.step.not_before

    def _stored(self) -> Step:
        with self.store.read() as transaction:
            return transaction.step(self.step.id)

    def _lose_holder(self) -> None:
        if self.holder is not None:
            self.former.append(self.holder)
            self.holder = None

    @rule(seconds=st.sampled_from([1, 30, 59, 60, 61, 600]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule()
    def a_worker_claims(self) -> None:
        ready = self.state in {StepState.WAITING, StepState.FAILED} and self.due_at <= self.clock.now
        abandoned = self.state is StepState.RUNNING and self.due_at <= self.clock.now
        with self.store.begin() as transaction:
            claimed = transaction.claim(self.step.id, lease=LEASE)
        assert (claimed is not None) == (ready or abandoned)
        if claimed is not None:
            assert all(claimed.token > old.token for old in [*self.former, *([self.holder] if self.holder else [])])
            self._lose_holder()
            self.attempts += 1
            assert claimed.attempts == self.attempts
            self.holder, self.state, self.due_at = claimed, StepState.RUNNING, self.clock.now + LEASE

    @precondition(lambda self: self.holder is not None)
    @rule()
    def the_holder_renews(self) -> None:
        assert self.holder is not None
        with self.store.begin() as transaction:
            transaction.renew(self.holder, lease=LEASE)
        self.due_at = self.clock.now + LEASE

    @precondition(lambda self: self.holder is not None)
    @rule()
    def the_holder_finishes(self) -> None:
        assert self.holder is not None
        with self.store.begin() as transaction:
            transaction.finish(self.holder)
        self._lose_holder()
        self.state = StepState.DONE

    @precondition(lambda self: self.holder is not None)
    @rule(retry_in=st.sampled_from([None, 0, 90]))
    def the_holder_fails(self, retry_in: int | None) -> None:
        assert self.holder is not None
        retry_at = None if retry_in is None else self.clock.now + timedelta(seconds=retry_in)
        with self.store.begin() as transaction:
            transaction.fail(self.holder, code="x", text="", retry_at=retry_at)
        self._lose_holder()
        self.state = StepState.DEAD if retry_at is None else StepState.FAILED
        self.due_at = retry_at or self.due_at

    @precondition(lambda self: self.holder is not None)
    @rule()
    def the_holder_releases(self) -> None:
        assert self.holder is not None
        with self.store.begin() as transaction:
            transaction.release(self.holder)
        self._lose_holder()
        self.attempts -= 1
        self.state, self.due_at = StepState.WAITING, self._stored().not_before

    @precondition(lambda self: self.former)
    @rule(data=st.data(), what=st.sampled_from(["finish", "fail", "renew", "release"]))
    def a_former_holder_acts(self, data: st.DataObject, what: str) -> None:
        stale = data.draw(st.sampled_from(self.former))
        before = self._stored()
        try:
            with self.store.begin() as transaction:
                match what:
                    case "finish":
                        transaction.finish(stale)
                    case "fail":
                        transaction.fail(stale, code="stale", text="", retry_at=None)
                    case "renew":
                        transaction.renew(stale, lease=LEASE)
                    case "release":
                        transaction.release(stale)
            raise AssertionError("a former holder changed the step")
        except LostLease:
            assert self._stored() == before

    @rule()
    def the_case_is_cancelled(self) -> None:
        with self.store.begin() as transaction:
            cancelled = transaction.cancel_steps(self.case_id)
        assert cancelled == (0 if self.state in ENDED else 1)
        if cancelled:
            self._lose_holder()
            self.state = StepState.CANCELLED

    @rule()
    def the_operator_replays(self) -> None:
        try:
            with self.store.begin() as transaction:
                transaction.replay(self.step.id)
        except NotAllowed:
            assert self.state is not StepState.DEAD
        else:
            assert self.state is StepState.DEAD
            self.state, self.attempts, self.due_at = StepState.WAITING, 0, self.clock.now

    @invariant()
    def the_store_agrees(self) -> None:
        stored = self._stored()
        assert (stored.state, stored.attempts) == (self.state, self.attempts)
        assert (stored.lease_until is not None) == (self.holder is not None)

    @invariant()
    def the_sweeper_rings_exactly_for_what_can_be_claimed(self) -> None:
        with self.store.read() as transaction:
            due = {step.id for step in transaction.due_steps(unrung_for=timedelta(0), limit=10_000)}
        assert (self.step.id in due) == (self.state not in {*ENDED, StepState.DEAD} and self.due_at <= self.clock.now)


def test_no_history_lets_two_workers_hold_a_step_or_one_run_after_its_end(store: SqlStore, clock: Clock) -> None:
    run_state_machine_as_test(
        lambda: Journey(store, clock),  # type: ignore[arg-type]  # any maker of machines will do
        settings=settings(
            max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
