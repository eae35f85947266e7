"""A FHIR server nobody here wrote notifies the running service of what happened: R4 classic rest-hooks."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from desk_fixtures import opened, serving
from medplum_fixtures import VISIT_SYSTEMS, Ehr
from peer_programs import NEEDS_PEERS, Server, running

from adapters.fhir.client import FhirClient
from service.bootstrap import Installation
from service.chart import build_chart, chart_payload
from service.chart.bundle import resources_of
from service.model import Case, CaseState
from service.pipeline import Outcome, run_step
from service.ports import Resource
from service.web.app import create_app
from workers.training.synthetic import SyntheticCase, generate_case

pytestmark = [pytest.mark.slow, NEEDS_PEERS]

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

    def run_chart(self) -> list[Outcome]:
        with self.installation.store.read() as tx:
            due = [step for step in tx.due_steps(unrung_for=timedelta(0)) if step.name == "chart"]
        return [run_step(self.installation.world, step.id) for step in due]

    def finish(self, told: SyntheticCase) -> None:
        identifier = f"{VISIT_SYSTEMS['EPIKRISE-SYN']}|{told.visit_number}"
        (encounter,) = self.ehr.client.search("Encounter", (("identifier", identifier),))
        self.ehr.client.update({**encounter, "status": "finished"})

    def notified(self) -> int:
        return sum(line.startswith("notified Encounter/") for line in self.server.said())


def until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def a_ward(home: Path) -> Iterator[Ward]:
    with running("fhir_server.mjs") as server:
        base = f"{server.address}/fhir"
        settings = {"fhir_url": base, "visit_systems": VISIT_SYSTEMS}
        with (
            opened(home, web={"intake_token": TOKEN}, ehr=settings) as installation,
            serving(create_app(installation)) as address,
            FhirClient(base, timeout=20) as client,
        ):
            ehr = Ehr(base=base, client=client)
            yield Ward(ehr=ehr, server=server, installation=installation, address=address)


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    with a_ward(tmp_path) as opened_ward:
        yield opened_ward


@pytest.fixture(scope="module")
def told() -> SyntheticCase:
    return generate_case(7, lang="de", site="breast")


@pytest.mark.parametrize("payload", [True, False], ids=["resource", "empty"])
def test_a_visit_that_ends_at_the_server_becomes_a_case_with_its_chart(
    payload: bool, ward: Ward, told: SyntheticCase
) -> None:
    ward.subscribe(payload=payload)
    ward.ehr.load(told, status="in-progress")
    until(lambda: ward.notified() == 1, "the first notification")
    assert not ward.is_discharged(told)
    ward.finish(told)
    until(lambda: ward.is_discharged(told), "the case")
    assert ward.run_chart() == [Outcome.DONE]
    case = ward.case(told)
    assert case is not None
    with ward.installation.store.read() as tx:
        chart = tx.get("chart", case.id)
    assert chart is not None
    expected = chart_payload(build_chart([], resources_of(told.bundle), visit_key=case.key))
    values = {fact["handle"]: fact["value"] for fact in chart["facts"]}
    assert values == {fact["handle"]: fact["value"] for fact in expected["facts"]}


def test_the_server_sends_only_what_the_criteria_name(ward: Ward, told: SyntheticCase) -> None:
    ward.subscribe("Encounter?status=finished", payload=True)
    ward.ehr.load(told, status="in-progress")
    ward.finish(told)
    until(lambda: ward.notified() == 1 and ward.is_discharged(told), "the case")
    case = ward.case(told)
    assert case is not None
    with ward.installation.store.read() as tx:
        assert len(tx.messages_of(case.id)) == 1


def test_the_same_news_twice_is_one_case_and_starts_one_letter(ward: Ward, told: SyntheticCase) -> None:
    ward.subscribe(payload=True)
    ward.subscribe(payload=False)
    ward.ehr.load(told)
    until(lambda: ward.notified() == 2, "both notifications")
    with ward.installation.store.read() as tx:
        (case,) = tx.cases()
        steps = [step for step in tx.steps_of(case.id) if step.name == "chart"]
    assert (case.state, len(steps)) == (CaseState.DISCHARGED, 1)


def test_a_server_with_a_wrong_token_is_turned_away(ward: Ward, told: SyntheticCase) -> None:
    ward.subscribe(payload=True, token="another")
    ward.ehr.load(told)
    until(lambda: any("HTTP 401" in line for line in ward.server.said()), "the refusal")
    assert ward.case(told) is None
