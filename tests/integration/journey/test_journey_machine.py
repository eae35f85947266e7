"""Any order of messages, work, failures and people's decisions: what must hold after each, and at the end.

The store is real, on SQLite; the EHR keeps what it was given. A crashed worker is a step that was claimed, perhaps
done outside, and never finished; its lease runs out.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

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
from journey_world import KEY, Journey, adt, oru
from store_fixtures import Clock

from adapters.keys import open_keyring
from adapters.store import migrate, open_store
from service import rescue, signoff
from service.errors import EhrUnavailable, EpikriseError, NotAllowed, SignatureRefused, WriterFailed
from service.model import Case, CaseState, StepState
from service.pipeline import JOURNEY, run_step
from service.ports import Transaction

_DIAGNOSES = (("C50.4", "Mammakarzinom"), ("C61", "Prostatakarzinom"), ("C34.1", "Bronchialkarzinom"))
_MEMORY = Path("/dev/shm")  # thousands of commits; what a disk adds is tested in the store's own tests
_WORK = {stage.name: stage.work for stage in JOURNEY}


class JourneyMachine(RuleBasedStateMachine):
    template: ClassVar[Path]

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="journey", dir=_MEMORY if _MEMORY.is_dir() else None))
        shutil.copy(self.template, self.folder / "store.db")
        clock = Clock()
        self.store = open_store(
            f"sqlite:///{self.folder / 'store.db'}", open_keyring(self.folder / "home"), clock=clock
        )
        self.journey = Journey(store=self.store, clock=clock)
        self.minute = 0
        self.sent: list[bytes] = []
        self.turns: list[tuple[int, str]] = []  # recorded time, trigger; of one minute, the cancellation counts
        self.signed: tuple[str, str] | None = None  # key, text
        self.withdrawn_by_person = False

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        try:
            self.end_well()
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    # ------------------------------------------------------------ what comes in

    @rule(trigger=st.sampled_from(["A01", "A03", "A03", "A13", "A08"]), earlier=st.sampled_from([0, 0, 0, 3]))
    def a_message(self, trigger: str, earlier: int) -> None:
        self.minute += 2
        at = max(1, self.minute - earlier)
        self._send(adt(trigger, minute=at, again=f"-{len(self.sent)}"))
        if trigger in ("A03", "A13"):
            self.turns.append((at, trigger))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def a_message_again(self, data: st.DataObject) -> None:
        self.journey.receive(data.draw(st.sampled_from(self.sent)))

    @rule()
    def a_result(self) -> None:
        self.minute += 1
        self._send(oru(minute=self.minute))

    @rule(which=st.sampled_from(_DIAGNOSES))
    def the_chart_changes_and_a_message_tells_it(self, which: tuple[str, str]) -> None:
        self.journey.ehr.diagnosis, self.journey.ehr.words = which
        self.minute += 1
        self._send(adt("A08", minute=self.minute, again=f"-{len(self.sent)}"))

    def _send(self, body: bytes) -> None:
        self.sent.append(body)
        self.journey.receive(body)

    # ------------------------------------------------------------ what workers do

    @rule(data=st.data(), several=st.integers(1, 6))
    def steps_run(self, data: st.DataObject, several: int) -> None:
        for _ in range(several):
            if due := self.journey.due():
                run_step(self.journey.world, data.draw(st.sampled_from(due)).id)

    @rule()
    def everything_due_runs(self) -> None:
        self.journey.run_due()

    @rule(fault=st.sampled_from(["unavailable", "lost", "stored", "refused"]))
    def the_ehr_fails_next(self, fault: str) -> None:
        self.journey.inbox.faults.append(fault)

    @rule()
    def the_chart_cannot_be_fetched_next(self) -> None:
        self.journey.ehr.faults.append(EhrUnavailable("chart"))

    @rule(error=st.sampled_from([WriterFailed("nothing written"), RuntimeError("unforeseen")]))
    def the_model_fails_next(self, error: Exception) -> None:
        self.journey.writer.faults.append(error)

    @rule(data=st.data(), worked=st.booleans())
    def a_worker_dies_in_a_step(self, data: st.DataObject, worked: bool) -> None:
        if not (due := self.journey.due()):
            return
        chosen = data.draw(st.sampled_from(due))
        with self.store.begin() as tx:
            step = tx.claim(chosen.id, lease=self.journey.world.rules.lease)
        if worked and step is not None:
            with contextlib.suppress(EpikriseError, RuntimeError):
                _WORK[step.name](self.journey.world, step)

    @rule(data=st.data(), trigger=st.sampled_from(["A13", "A08"]))
    def a_message_arrives_while_a_step_works(self, data: st.DataObject, trigger: str) -> None:
        self.minute += 2
        body = adt(trigger, minute=self.minute, again=f"-{len(self.sent)}")
        arrived = []

        def arrive() -> None:
            arrived.append(body)
            self._send(body)
            self.journey.run_due()

        self.journey.inbox.during_post = self.journey.ehr.during = arrive
        if due := self.journey.due():
            run_step(self.journey.world, data.draw(st.sampled_from(due)).id)
        self.journey.inbox.during_post = self.journey.ehr.during = None
        if arrived and trigger == "A13":
            self.turns.append((self.minute, trigger))

    @rule(minutes=st.sampled_from([0.1, 2, 10]))
    def time_passes(self, minutes: float) -> None:
        self.journey.clock.advance(minutes=minutes)

    # ------------------------------------------------------------ what people do

    @rule(what=st.sampled_from([rescue.hold_case, rescue.release_case, rescue.retry_case]))
    def the_operator_acts(self, what: Callable[[Transaction, str], object]) -> None:
        self._by_operator(what)

    @rule()
    def the_operator_withdraws(self) -> None:
        self.withdrawn_by_person |= self._by_operator(rescue.withdraw_case)

    def _by_operator(self, what: Callable[[Transaction, str], object]) -> bool:
        if (case := self._case()) is None:
            return False
        try:
            with self.store.begin() as tx:
                what(tx, case.id)
        except NotAllowed:
            return False
        return True

    @rule(words=st.sampled_from(["Nachsorge in drei Monaten.", "Danke."]))
    def the_physician_edits(self, words: str) -> None:
        if (case := self._case()) is None:
            return
        try:
            desk = signoff.open_desk(self.journey.world, case.id)
            text = f"{desk.review.text}\n\n{words}"
            signoff.rewrite(self.journey.world, case.id, revision=desk.review.revision, text=text, by="dr1")
        except EpikriseError:
            return

    @rule()
    def the_physician_signs(self) -> None:
        if (case := self._case()) is None:
            return
        try:
            desk = signoff.open_desk(self.journey.world, case.id)
            signoff.sign(
                self.journey.world, case.id, revision=desk.review.revision, digest=desk.digest, signer="Dr. Muster"
            )
        except SignatureRefused:
            assert desk.blocking
        except EpikriseError:
            return
        else:
            assert self.signed is None, "signed twice"
            self.signed = (f"{case.id}.{case.generation}", desk.review.text)

    # ------------------------------------------------------------ what holds

    @invariant()
    def at_most_one_draft_asks_for_a_signature(self) -> None:
        if hasattr(self, "journey"):
            assert len(self.journey.inbox.live) <= 1
            assert len(self.journey.inbox.open_tasks) <= 1

    @invariant()
    def what_is_signed_stays_signed(self) -> None:
        if not hasattr(self, "journey"):
            return
        if self.signed is not None:
            case = self._case()
            assert case is not None
            assert case.state is CaseState.SIGNED
            with self.store.begin() as tx:
                assert tx.get("signed", case.id) == {"text": self.signed[1]}
        assert [(d.key, d.text) for d in self.journey.inbox.final] in ([], [self.signed])

    def _case(self) -> Case | None:
        with self.store.begin() as tx:
            return tx.case_by_key(KEY)

    def end_well(self) -> None:
        """The neighbours are healthy again and the operator has released and replayed everything."""
        journey = self.journey
        journey.inbox.faults.clear()
        journey.ehr.faults.clear()
        journey.writer.faults.clear()
        for _ in range(5):
            journey.run_all()
            case = self._case()
            if case is None:
                assert not self.sent
                return
            if case.state is CaseState.HELD:
                self._by_operator(rescue.release_case)
            elif not self._by_operator(rescue.retry_case):
                break
        assert case is not None
        assert not [step for step in journey.steps() if step.state is StepState.DEAD]
        self._check_end(case)

    def _check_end(self, case: Case) -> None:
        inbox = self.journey.inbox
        last = max(self.turns)[1] if self.turns else "A13"
        if self.signed is not None:
            assert case.state is CaseState.SIGNED
            assert [(d.key, d.text) for d in inbox.final] == [self.signed]
            assert inbox.open_tasks == []
        elif self.withdrawn_by_person:
            assert case.state is CaseState.WITHDRAWN
            assert inbox.open_tasks == inbox.live == []
        elif last == "A13":
            assert case.state in (CaseState.OPEN, CaseState.WITHDRAWN)
            assert inbox.open_tasks == inbox.live == []
        else:
            assert case.state in (CaseState.IN_INBOX, CaseState.IN_REVIEW)
            assert [d.key for d in inbox.live] == [d.key for d in inbox.open_tasks] == [f"{case.id}.{case.generation}"]
            if case.state is CaseState.IN_INBOX:
                assert self.journey.ehr.words in inbox.live[0].text, "the draft states an older chart"


def test_whatever_happens_each_discharge_ends_as_exactly_one_draft(tmp_path: Path) -> None:
    JourneyMachine.template = tmp_path / "template.db"
    migrate(f"sqlite:///{JourneyMachine.template}")
    run_state_machine_as_test(
        JourneyMachine,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
