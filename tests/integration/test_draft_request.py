"""POST /fhir/$draft-letter over real HTTP: the EHR's button, with a real store and the sandbox EHR."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fhir_fixtures import Resource, SandboxEhr, a_visit
from intake_service import Service, service
from typer.testing import CliRunner

from service.cli.main import app
from service.errors import NotAllowed
from service.model import CaseState
from service.pipeline import Outcome

__all__ = ["service"]

KEY = "KIS|F4711"
PATH = "/fhir/$draft-letter"
BY_REFERENCE = {"name": "encounter", "valueReference": {"reference": "Encounter/e1"}}
BY_NUMBER = {"name": "visit", "valueIdentifier": {"system": "https://kis.example/fall", "value": "F4711"}}
REQUESTER = {"name": "requester", "valueReference": {"reference": "Practitioner/d1", "display": "Dr. Muster"}}


def wish(*parameters: Resource) -> Resource:
    return {"resourceType": "Parameters", "parameter": list(parameters)}


def answered(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["resourceType"] == "Parameters"
    return {each["name"]: next(value for name, value in each.items() if name != "name") for each in body["parameter"]}


def told(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, issue code and diagnostics of an OperationOutcome."""
    (issue,) = answer.json()["issue"]
    return answer.status_code, issue["code"], issue["diagnostics"]


@pytest.fixture
def patient_still_here(sandbox_ehr: SandboxEhr, load_chart: Callable[[], None]) -> None:
    load_chart()
    (encounter,) = (each for each in a_visit() if each["resourceType"] == "Encounter")
    going_on = {**encounter, "status": "in-progress"}
    answer = sandbox_ehr.http.put(f"{sandbox_ehr.base}/Encounter/e1", json=going_on)
    assert answer.status_code == 200, answer.text


@pytest.mark.usefixtures("patient_still_here")
@pytest.mark.parametrize(
    "named",
    [
        BY_REFERENCE,
        {"name": "encounter", "valueReference": {"reference": "https://ehr.example/fhir/Encounter/e1/_history/3"}},
        BY_NUMBER,
        {"name": "encounter", "valueReference": {"identifier": BY_NUMBER["valueIdentifier"]}},
    ],
    ids=["reference", "address of another name", "identifier", "logical reference"],
)
def test_a_visit_that_only_the_ehr_knows_is_fetched_and_its_draft_begins(service: Service, named: Resource) -> None:
    letter = {"name": "letter", "valueCode": "end_of_radiotherapy"}
    answer = answered(service.post(PATH, wish(named, REQUESTER, letter)))

    case = service.case()
    assert (case.key, case.state, case.generation) == (KEY, CaseState.DISCHARGED, 1)
    assert (answer["case"], answer["state"]) == (case.id, "discharged")
    assert service.bells.rung == ["chart"]
    assert service.run("chart") == [Outcome.DONE]
    with service.installation.store.begin() as tx:
        begun = tx.get("start", case.id)
        trail = [(entry.actor, entry.detail) for entry in tx.audit_trail() if entry.action == "draft_requested"]
    assert begun is not None
    assert (begun["trigger"], begun["letter"]) == ("request", "end_of_radiotherapy")
    assert trail == [("Dr. Muster", "end_of_radiotherapy")]
    assert answer["review"] == service.installation.addresses.review(case.id)


@pytest.mark.usefixtures("patient_still_here")
def test_asking_twice_is_one_draft(service: Service) -> None:
    first = answered(service.post(PATH, wish(BY_REFERENCE, REQUESTER)))
    assert answered(service.post(PATH, wish(BY_NUMBER, REQUESTER))) == first
    assert (service.case().generation, len(service.kept())) == (1, 1)


def test_a_visit_that_we_know_needs_no_ehr(service: Service, sandbox_ehr: SandboxEhr) -> None:
    (encounter,) = (each for each in a_visit() if each["resourceType"] == "Encounter")
    service.post("/fhir", {**encounter, "status": "in-progress"})
    sandbox_ehr.arm("unavailable", method="GET")
    assert answered(service.post(PATH, wish(BY_NUMBER, REQUESTER)))["case"] == service.case().id
    assert told(service.post(PATH, wish(BY_REFERENCE, REQUESTER)))[:2] == (503, "transient")


def test_a_visit_that_nobody_knows_is_not_found(service: Service) -> None:
    for named in (BY_REFERENCE, BY_NUMBER):
        assert told(service.post(PATH, wish(named, REQUESTER)))[:2] == (404, "not-found")
    assert service.cases() == []


@pytest.mark.usefixtures("patient_still_here")
def test_a_case_that_forbids_it_says_why_and_what_to_do(service: Service) -> None:
    from service import rescue

    case_id = answered(service.post(PATH, wish(BY_REFERENCE, REQUESTER)))["case"]
    with service.installation.store.begin() as tx:
        rescue.hold_case(tx, case_id)
    status, code, text = told(service.post(PATH, wish(BY_REFERENCE, REQUESTER)))
    assert (status, code) == (409, "business-rule")
    assert "release" in text


def tell(service: Service, trigger: str, control_id: str, at: str) -> None:
    visit = b"PID|1||PID-1\rPV1|1|I" + b"|" * 17 + b"F4711^^^KIS\r"
    adt = f"MSH|^~\\&|KIS|KH|||{at}||ADT^{trigger}|{control_id}|P|2.5\rEVN||{at}\r".encode() + visit
    with service.installation.store.begin() as tx:
        id_, _ = tx.add_message(channel="mllp", sender="KIS", control_id=control_id, body=adt, ack_code="AA")
        tx.add_step("read", "intake", subject=id_)
    assert service.run("read") == [Outcome.DONE]


def test_a_visit_that_was_cancelled_has_no_draft_until_it_is_told_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(service, "A01", "1", "20260312080000")
    tell(service, "A11", "2", "20260312090000")
    status, code, text = told(service.post(PATH, wish(BY_NUMBER, REQUESTER)))
    assert (status, code) == (409, "business-rule")
    assert "cancelled" in text
    assert "admission" in text

    monkeypatch.setenv("EPIKRISE_HOME", str(service.installation.settings.home))
    at_the_command_line = CliRunner().invoke(app, ["case", "draft", service.case().id, "--actor", "Dr. Muster"])
    assert isinstance(at_the_command_line.exception, NotAllowed)
    assert at_the_command_line.exception.exit_code == 1
    assert (service.case().state, service.case().generation) == (CaseState.WITHDRAWN, 0)

    tell(service, "A01", "3", "20260312100000")
    assert answered(service.post(PATH, wish(BY_NUMBER, REQUESTER)))["state"] == "discharged"


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        wish(),
        wish(BY_NUMBER),
        wish(REQUESTER),
        wish({"name": "encounter", "valueReference": {"reference": "Patient/p1"}}, REQUESTER),
        wish(BY_NUMBER, REQUESTER, {"name": "letter", "valueCode": "poem"}),
        {"resourceType": "Bundle"},
        {"resourceType": "Parameters", "parameter": [7, {"name": ["x"]}, {"name": "encounter", "valueReference": 1}]},
    ],
)
def test_a_wish_that_cannot_be_understood_is_refused_with_what_to_send(service: Service, body: Any) -> None:
    status, code, text = told(service.post(PATH, body))
    assert (status, code) == (400, "invalid")
    assert "Send Parameters" in text or "Give one of" in text


def test_without_the_token_nothing_is_answered_and_a_long_body_is_not_read(service: Service) -> None:
    assert told(service.post(PATH, wish(BY_NUMBER, REQUESTER), Authorization="Bearer other"))[:2] == (401, "login")
    assert told(service.post(PATH, b" " * 70_000))[:2] == (413, "too-long")
