"""A drafted case in the inbox of a running EHR, and the pages that review it. Import ``chromium`` first."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from desk_fixtures import opened, put_case, serving
from fhir_fixtures import running_ehr

from adapters.redis_server import RedisServer
from service.bootstrap import Installation
from service.model import RawLetter, StepState
from service.pipeline import run_step
from service.web.app import create_app
from workers.training.synthetic import SyntheticCase

VISIT_SYSTEM = "urn:epikrise:synthetic:visit"


@dataclass(frozen=True, kw_only=True)
class Ward:
    """``ehr`` and ``pages`` are addresses."""

    installation: Installation
    ehr: str
    pages: str
    case_id: str
    told: SyntheticCase

    def work(self) -> None:
        """Do what waits, as a worker would."""
        with self.installation.store.read() as tx:
            waiting = [step for step in tx.steps_of(self.case_id) if step.state is StepState.WAITING]
        for step in waiting:
            run_step(self.installation.world, step.id)


@contextlib.contextmanager
def a_ward(home: Path, told: SyntheticCase, *, letter: RawLetter | None = None) -> Iterator[Ward]:
    """Everything over real HTTP; the draft has been delivered. ``letter``: as for ``put_case``."""
    (home / "redis").mkdir(parents=True)
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with (
        running_ehr(home / "sandbox", faults=False) as ehr,
        RedisServer(home / "redis") as broker,
        opened(
            home / "home",
            broker=broker,
            web={"public_url": address},
            ehr={"fhir_url": f"{ehr}/fhir", "visit_systems": {"EPIKRISE-SYN": VISIT_SYSTEM}},
        ) as installation,
        serving(create_app(installation), listener) as pages,
    ):
        loaded = httpx.post(
            f"{ehr}/fhir",
            json=told.bundle,
            headers={"Content-Type": "application/fhir+json"},
            trust_env=False,
            timeout=60,
        )
        assert loaded.status_code == 200, loaded.text
        case_id = put_case(installation, told, letter=letter, delivered=False)
        ward = Ward(installation=installation, ehr=ehr, pages=pages, case_id=case_id, told=told)
        ward.work()
        yield ward
