"""One synthetic case over a real Redis, a real Celery worker, a real store and the sandbox EHR over HTTP.

Only the model is small: it names a few facts by their handles.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fhir_fixtures import SandboxEhr
from journey_world import PlainWriter

from adapters.hl7.message import read_message
from adapters.redis_server import RedisServer
from service.bootstrap import Installation, open_installation
from service.config import load_settings
from service.model import CaseState
from service.pipeline import QUEUES
from workers.tasks import register
from workers.training.synthetic import SyntheticCase, generate_case

AUTHORITY, SYSTEM = "EPIKRISE-SYN", "urn:epikrise:synthetic:visit"


@dataclass(frozen=True, kw_only=True)
class House:
    """The installation under test, with a worker that listens."""

    installation: Installation
    ehr: SandboxEhr

    def receive(self, *messages: bytes) -> None:
        """As the listener does: kept with its step, then the bell."""
        with self.installation.store.begin() as tx:
            for body in messages:
                message_id, is_new = tx.add_message(
                    channel="mllp",
                    sender="KIS|ONK",
                    control_id=read_message(body).control_id,
                    body=body,
                    ack_code="AA",
                )
                if is_new:
                    tx.add_step("read", "intake", subject=message_id)
        self.installation.ring()

    def state_of(self, case: SyntheticCase) -> CaseState | None:
        with self.installation.store.read() as tx:
            found = tx.case_by_key(f"{AUTHORITY}|{case.visit_number}")
        return found.state if found else None

    def is_quiet(self) -> bool:
        with self.installation.store.read() as tx:
            return not any(row.waiting + row.running + row.failed for row in tx.health())


@pytest.fixture
def house(tmp_path: Path, sandbox_ehr: SandboxEhr) -> Iterator[House]:
    with RedisServer(tmp_path / "redis") as url:
        settings = load_settings(
            home=str(tmp_path / "home"),
            broker={"url": url},
            ehr={"fhir_url": sandbox_ehr.base, "visit_systems": {AUTHORITY: SYSTEM}},
        )
        installation = open_installation(settings).with_writer(PlainWriter())
        register(installation.celery, installation.world)
        worker = installation.celery.WorkController(
            queues=list(QUEUES), pool="threads", concurrency=2, without_gossip=True, without_mingle=True
        )
        thread = threading.Thread(target=worker.start, name="worker", daemon=True)
        thread.start()
        try:
            yield House(installation=installation, ehr=sandbox_ehr)
        finally:
            worker.stop()
            thread.join(timeout=30)
            installation.close()


def test_a_discharge_becomes_one_draft_a_duplicate_no_second_and_its_cancellation_takes_it_back(house: House) -> None:
    case = generate_case(7, lang="de")
    assert house.ehr.post("", case.bundle).status_code < 300
    house.receive(*case.messages)
    until(lambda: house.state_of(case) is CaseState.IN_INBOX, "the inbox")
    until(house.is_quiet, "the end of all steps")
    assert house.ehr.count("DocumentReference", status="current") == 1
    assert house.ehr.count("Task", status="requested") == 1

    discharge = next(body for body in reversed(case.messages) if b"ADT^A03" in body)
    control_id = read_message(discharge).control_id.encode()
    house.receive(discharge, discharge.replace(control_id, control_id + b"X"))
    until(house.is_quiet, "the end of all steps")
    assert house.ehr.count("DocumentReference") == house.ehr.count("Task") == 1

    house.receive(discharge.replace(control_id, control_id + b"C").replace(b"A03", b"A13"))
    until(lambda: house.ehr.count("Task", status="cancelled") == 1, "the withdrawal")
    until(house.is_quiet, "the end of all steps")
    assert house.state_of(case) is CaseState.WITHDRAWN
    assert house.ehr.count("DocumentReference", status="current") == 0


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, f"{what} was not reached"
        time.sleep(0.05)
