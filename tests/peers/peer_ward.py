"""A running service and an EHR nobody here wrote that notifies it."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from desk_fixtures import opened, serving
from medplum_fixtures import VISIT_SYSTEMS, Ehr
from peer_programs import Server, running

from service.bootstrap import Installation, ehr_client
from service.chart import build_chart, chart_payload
from service.chart.bundle import resources_of
from service.model import Case, CaseState
from service.pipeline import Outcome, run_step
from service.ports import Resource
from service.web.app import create_app
from workers.training.synthetic import SyntheticCase

TOKEN = "s3cret-of-the-test"
PATIENCE = 20.0  # s


@dataclass(frozen=True, kw_only=True)
class Ward:
    """A running service and the EHR that notifies it."""

    ehr: Ehr
    server: Server
    installation: Installation
    address: str

    def subscribe(self, criteria: str = "Encounter?", *, payload: bool, token: str = TOKEN) -> Resource:
        channel = {
            "type": "rest-hook",
            "endpoint": f"{self.address}/fhir/notify",
            "header": [f"Authorization: Bearer {token}"],
        }
        written = self.ehr.client.create(
            {
                "resourceType": "Subscription",
                "status": "active",
                "reason": "visits of radiotherapy",
                "criteria": criteria,
                "channel": {**channel, "payload": "application/fhir+json"} if payload else channel,
            }
        )
        assert written.resource is not None
        return written.resource

    def case(self, told: SyntheticCase) -> Case | None:
        with self.installation.store.read() as tx:
            return tx.case_by_key(f"EPIKRISE-SYN|{told.visit_number}")

    def is_discharged(self, told: SyntheticCase) -> bool:
        case = self.case(told)
        return case is not None and case.state is CaseState.DISCHARGED

    def facts(self, told: SyntheticCase) -> dict[str, Any]:
        """Handle to value, after the case's chart step has been done as a worker would."""
        with self.installation.store.read() as tx:
            due = [step for step in tx.due_steps(unrung_for=timedelta(0)) if step.name == "chart"]
        assert [run_step(self.installation.world, step.id) for step in due] == [Outcome.DONE]
        case = self.case(told)
        assert case is not None
        with self.installation.store.read() as tx:
            chart = tx.get("chart", case.id)
        assert chart is not None
        return _values(chart)

    def kept(self, told: SyntheticCase) -> int:
        """How many messages its case has."""
        case = self.case(told)
        if case is None:
            return 0
        with self.installation.store.read() as tx:
            return len(tx.messages_of(case.id))

    def finish(self, told: SyntheticCase) -> None:
        identifier = f"{VISIT_SYSTEMS['EPIKRISE-SYN']}|{told.visit_number}"
        (encounter,) = self.ehr.client.search("Encounter", (("identifier", identifier),))
        self.ehr.client.update({**encounter, "status": "finished"})

    def notified(self) -> int:
        return sum(line.startswith("notified Encounter/") for line in self.server.said())


def facts_of(told: SyntheticCase) -> dict[str, Any]:
    """Handle to value, of the chart of the Bundle itself."""
    key = f"EPIKRISE-SYN|{told.visit_number}"
    return _values(chart_payload(build_chart([], resources_of(told.bundle), visit_key=key)))


def _values(chart: Mapping[str, Any]) -> dict[str, Any]:
    return {fact["handle"]: fact["value"] for fact in chart["facts"]}


def until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def a_ward(home: Path, fhir: Server | None = None, **ehr: Any) -> Iterator[Ward]:
    """``fhir``: a FHIR server that runs, else one of its own. ``ehr``: settings of the section ``ehr``."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with contextlib.ExitStack() as stack:
        server = fhir or stack.enter_context(running("fhir_server.mjs"))
        base = f"{server.address}/fhir"
        settings = {"fhir_url": base, "visit_systems": VISIT_SYSTEMS, **ehr}
        web = {"intake_token": TOKEN, "public_url": address}
        installation = stack.enter_context(opened(home, web=web, ehr=settings))
        stack.enter_context(serving(create_app(installation), listener))
        client = ehr_client(installation.settings, timeout=20)
        assert client is not None
        stack.enter_context(client)
        yield Ward(ehr=Ehr(base=base, client=client), server=server, installation=installation, address=address)
