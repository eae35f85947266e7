"""Any sequence of events in any order of arrival gives the same cases as in the order of time."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from identity_ward import NoEhr
from journey_world import Journey
from store_fixtures import Clock
from told import tell

from adapters.keys import KeyRing, open_keyring
from adapters.store import open_store
from service import lifecycle
from service.model import CaseState
from service.pipeline import run_step
from service.visit import status_of

_MEMORY = Path("/dev/shm")  # thousands of commits; what a disk adds is tested in the store's own tests
PATIENTS = ("P1", "P2")
VISITS = ("F1", "F2", "F3")
_MINUTES = st.integers(0, 12)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """One event of up to two patients and three visits, or of a visit without a number. Event and recorded times
    are often equal, sometimes turned round; MSH-11 is sometimes T."""
    at = draw(_MINUTES)
    recorded = draw(st.sampled_from([None, None, at + 1, draw(_MINUTES)]))
    patient = draw(st.sampled_from(PATIENTS))
    kind = draw(st.sampled_from(["turn", "turn", "turn", "turn", "stay", "about", "merge", "renumber", "move"]))
    if kind == "turn":
        trigger = draw(st.sampled_from(["A01", "A03", "A03", "A13", "A13", "A11", "A08", "A02", "A12", "R01"]))
        mark = draw(st.sampled_from("PPPPT"))
        visit = draw(st.sampled_from(VISITS))
        return tell(trigger, at=at, recorded=recorded, patient=patient, visit=visit, mark=mark)
    if kind == "stay":
        trigger = draw(st.sampled_from(["A01", "A03", "A13", "A08"]))
        return tell(trigger, at=at, recorded=recorded, patient=patient, admitted=draw(st.sampled_from([0, 1])))
    if kind == "about":
        trigger = draw(st.sampled_from(["A31", "R01"]))
        return tell(trigger, at=at, recorded=recorded, patient=patient)
    if kind == "merge":
        former = draw(st.sampled_from(PATIENTS))
        return tell("A40", at=at, recorded=recorded, patient=patient, former=former)
    visit, former_visit = draw(st.sampled_from(VISITS)), draw(st.sampled_from(VISITS))
    if kind == "renumber":
        trigger = draw(st.sampled_from(["A50", "A42"]))
        return tell(trigger, at=at, recorded=recorded, patient=patient, visit=visit, former_visit=former_visit)
    former = draw(st.sampled_from(PATIENTS))
    return tell("A45", at=at, recorded=recorded, patient=patient, former=former, visit=visit, former_visit=visit)


@dataclass(frozen=True, kw_only=True)
class Told:
    """A case as it must not depend on arrival."""

    key: str
    state: str
    status: str
    members: tuple[str, ...]


class Ward:
    """One store, to which messages are told in some order."""

    def __init__(self, journey: Journey) -> None:
        self.journey = journey

    def read(self, body: bytes) -> None:
        """Keep it, and run its step ``read`` alone."""
        self.journey.receive(body)
        for step in self.journey.due():
            if step.name == "read":
                run_step(self.journey.world, step.id)

    def cases(self) -> set[Told]:
        with self.journey.store.begin() as tx:
            return {
                Told(
                    key=case.key,
                    state=case.state.value,
                    status=status_of(tx.turns_of(case.id)).value,
                    members=tuple(message.control_id for message in tx.messages_of(case.id)),
                )
                for case in tx.cases()
                if lifecycle.MERGED not in case.notices
            }


@contextmanager
def ward(template: Path, keyring: KeyRing) -> Iterator[Ward]:
    folder = Path(tempfile.mkdtemp(prefix="order", dir=_MEMORY if _MEMORY.is_dir() else None))
    shutil.copy(template, folder / "store.db")
    clock = Clock()
    store = open_store(f"sqlite:///{folder / 'store.db'}", keyring, clock=clock)
    try:
        yield Ward(Journey(store=store, clock=clock, ehr=NoEhr()))
    finally:
        store.close()
        shutil.rmtree(folder)


def in_time(bodies: Sequence[bytes]) -> list[bytes]:
    """By EVN-6 or OBR-7, as a sender tells them that never errs; equal times as written."""

    def happened(body: bytes) -> str:
        segments = [line.decode().split("|") for line in body.split(b"\r") if line]
        return next(s[6] if s[0] == "EVN" else s[7] for s in segments if s[0] in ("EVN", "OBR"))

    return sorted(bodies, key=happened)


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return open_keyring(tmp_path_factory.mktemp("keys"))


_QUICK = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@_QUICK
@given(told=st.lists(messages(), min_size=2, max_size=9), data=st.data())
def test_in_any_order_the_same_messages_give_the_same_cases(
    told: list[bytes], data: st.DataObject, _migrated_sqlite: Path, ring: KeyRing
) -> None:
    compare(told, data, _migrated_sqlite, ring)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(_QUICK, max_examples=200)
@given(told=st.lists(messages(), min_size=4, max_size=12), data=st.data())
def test_in_any_order_many_messages_give_the_same_cases(
    told: list[bytes], data: st.DataObject, _migrated_sqlite: Path, ring: KeyRing
) -> None:
    compare(told, data, _migrated_sqlite, ring)


def compare(told: list[bytes], data: st.DataObject, template: Path, ring: KeyRing) -> None:
    """By time, and by chance with some told twice: the cases are equal in key, state, status and messages."""
    arrived = data.draw(st.permutations(told))
    repeated = data.draw(st.lists(st.sampled_from(told), max_size=3))
    with ward(template, ring) as by_time, ward(template, ring) as by_chance:
        for body in in_time(told):
            by_time.read(body)
        for body in [*arrived, *repeated]:
            by_chance.read(body)
        assert by_chance.cases() == by_time.cases()


@settings(_QUICK, max_examples=4)
@given(told=st.lists(messages(), min_size=2, max_size=7), data=st.data())
def test_in_any_order_with_all_work_done_between_them_the_cases_are_the_same(
    told: list[bytes], data: st.DataObject, _migrated_sqlite: Path, ring: KeyRing
) -> None:
    """What has no letter to come is open or, if there was a draft in between, withdrawn: that alone may differ."""
    arrived = data.draw(st.permutations(told))
    with ward(_migrated_sqlite, ring) as by_time, ward(_migrated_sqlite, ring) as by_chance:
        for one, bodies in ((by_time, in_time(told)), (by_chance, arrived)):
            for body in bodies:
                one.journey.receive(body)
                one.journey.run_all()
        assert _ended(by_chance.cases()) == _ended(by_time.cases())
        for one in (by_time, by_chance):
            ready = [case for case in one.cases() if case.status == "discharged"]
            assert len(one.journey.inbox.live) == len(one.journey.inbox.open_tasks) == len(ready)


def _ended(cases: set[Told]) -> set[tuple[str, str, bool, tuple[str, ...]]]:
    without = (CaseState.OPEN.value, CaseState.WITHDRAWN.value)
    return {(case.key, case.status, case.state in without, case.members) for case in cases}
