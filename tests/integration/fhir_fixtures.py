"""A sandbox EHR over real HTTP, as fixtures; conftest makes them known."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from adapters.fhir.client import FhirClient
from adapters.sandbox.app import create_app

Resource = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class SandboxEhr:
    """A running EHR; ``root`` is ``http://127.0.0.1:port``."""

    root: str
    home: Path
    http: httpx.Client
    client: FhirClient

    @property
    def base(self) -> str:
        return f"{self.root}/fhir"

    def arm(self, kind: str, **wish: Any) -> None:
        answer = self.http.post(f"{self.root}/sandbox/faults", json={"kind": kind, **wish})
        assert answer.status_code == 200, answer.text

    def disarm(self) -> None:
        self.http.delete(f"{self.root}/sandbox/faults")

    def settle(self) -> None:
        """Until every hook that was to be sent has been answered."""
        assert self.http.post(f"{self.root}/sandbox/hooks").status_code == 200

    def heartbeat(self) -> None:
        assert self.http.post(f"{self.root}/sandbox/heartbeat").status_code == 200

    def put(self, resource: Resource) -> Resource:
        address = f"{self.base}/{resource['resourceType']}/{resource['id']}"
        answer = self.http.put(address, json=resource, headers={"Content-Type": "application/fhir+json"})
        assert answer.is_success, answer.text
        stored: Resource = answer.json()
        return stored

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        address = f"{self.base}/{path}" if path else self.base
        return self.http.post(address, json=body, headers={"Content-Type": "application/fhir+json", **headers})

    def count(self, resource_type: str, **parameters: str) -> int:
        found = self.http.get(f"{self.base}/{resource_type}", params={**parameters, "_count": "0"})
        return int(found.json()["total"])


@contextlib.contextmanager
def running_ehr(home: Path, *, faults: bool = True) -> Iterator[str]:
    """Serves on a free port; yields ``http://127.0.0.1:port``."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as adapters.sandbox.__main__ does
    config = uvicorn.Config(
        create_app(home, faults=faults), log_level="critical", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the sandbox did not start"
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()


@pytest.fixture
def sandbox_ehr(tmp_path: Path) -> Iterator[SandboxEhr]:
    with (
        running_ehr(tmp_path / "sandbox") as root,
        httpx.Client(timeout=10, trust_env=False) as http,
        FhirClient(f"{root}/fhir", timeout=5) as client,
    ):
        yield SandboxEhr(root=root, home=tmp_path / "sandbox", http=http, client=client)


@pytest.fixture
def load_chart(sandbox_ehr: SandboxEhr) -> Callable[[], None]:
    """Loads one synthetic visit: Patient/p1, Encounter/e1 (visit F4711), Practitioner/dr1 and a few facts."""

    def load() -> None:
        answer = sandbox_ehr.post("", collection(*a_visit()))
        assert answer.status_code == 200, answer.text

    return load


def collection(*resources: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}


def a_visit() -> tuple[Resource, ...]:
    subject = {"reference": "Patient/p1"}
    record = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
    atnd = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "ATND"}
    return (
        {
            "resourceType": "Patient",
            "id": "p1",
            "identifier": [{"type": record, "system": "https://kis.example/pid", "value": "PID-1"}],
            "name": [{"family": "Beispiel", "given": ["Berta"]}],
            "birthDate": "1961-05-04",
            "gender": "female",
        },
        {"resourceType": "Practitioner", "id": "dr1", "name": [{"family": "Muster", "given": ["Max"]}]},
        {
            "resourceType": "Encounter",
            "id": "e1",
            "identifier": [{"system": "https://kis.example/fall", "value": "F4711"}],
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "subject": subject,
            "participant": [{"type": [{"coding": [atnd]}], "individual": {"reference": "Practitioner/dr1"}}],
        },
        {"resourceType": "Condition", "id": "c1", "subject": subject, "code": {"text": "Mammakarzinom rechts"}},
        {
            "resourceType": "Observation",
            "id": "o1",
            "status": "final",
            "subject": subject,
            "code": {"coding": [{"system": "http://loinc.org", "code": "89247-1"}]},
            "valueInteger": 1,
        },
        {"resourceType": "Medication", "id": "m1", "code": {"text": "Tamoxifen"}},
        {
            "resourceType": "MedicationStatement",
            "id": "ms1",
            "status": "active",
            "subject": subject,
            "medicationReference": {"reference": "Medication/m1"},
        },
    )
