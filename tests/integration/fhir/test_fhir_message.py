"""FHIR messages over HTTP: taken as chart and as discharge, and answered in their own form."""

from typing import Any

from fhir.resources.R4B.bundle import Bundle
from fhir_fixtures import Resource, SandboxEhr, a_visit
from intake_service import Service, service
from test_subscription_followed import a_course, another

from service.model import CaseState, Event
from service.pipeline import Outcome

__all__ = ["service"]

KEY = "KIS|F4711"


def a_message(*resources: Resource, code: str = "", **header: Any) -> Resource:
    event = {"system": "http://terminology.hl7.org/CodeSystem/v2-0003", "code": code}
    first = {
        "resourceType": "MessageHeader",
        "id": "mh-1",
        **({"eventCoding": event} if code else {"eventUri": "https://kis.example/discharged"}),
        "source": {"name": "KIS", "endpoint": "https://kis.example/fhir"},
        **header,
    }
    entries = [{"fullUrl": f"urn:uuid:{number}", "resource": each} for number, each in enumerate((first, *resources))]
    return {"resourceType": "Bundle", "type": "message", "timestamp": "2026-03-12T10:00:00Z", "entry": entries}


def visit(status: str = "finished") -> list[Resource]:
    return [each | {"status": status} if each["resourceType"] == "Encounter" else each for each in a_visit()]


def response(answer: Any) -> tuple[str, str, str]:
    """response.identifier, response.code, and the code of the outcome that it points to."""
    bundle = answer.json()
    Bundle.model_validate(bundle)
    header, outcome = (entry["resource"] for entry in bundle["entry"])
    assert header["response"]["details"]["reference"] == bundle["entry"][1]["fullUrl"]
    return header["response"]["identifier"], header["response"]["code"], outcome["issue"][0]["code"]


def test_a_message_is_taken_as_discharge_and_as_chart(service: Service) -> None:
    for path in ("/fhir", "/fhir/$process-message", "/fhir/notify"):
        answer = service.post(path, a_message(*visit()))
        assert answer.status_code == 200
        assert response(answer) == ("mh-1", "ok", "informational")
    header = answer.json()["entry"][0]["resource"]
    assert header["eventUri"] == "https://kis.example/discharged"
    assert header["destination"] == [{"endpoint": "https://kis.example/fhir"}]
    assert (service.case().key, service.case().state) == (KEY, CaseState.DISCHARGED)
    assert service.kept()[0].sender == "KIS"
    assert service.run("chart") == [Outcome.DONE]


def test_an_event_of_table_0003_says_what_the_status_does_not_yet(service: Service) -> None:
    told = {
        ("A03", "in-progress"): Event.DISCHARGE,
        ("A13", "in-progress"): Event.CANCEL_DISCHARGE,
        ("A11", "in-progress"): Event.CANCEL_ADMIT,
        ("A08", "finished"): Event.DISCHARGE,
        ("", "in-progress"): Event.ADMIT,
    }
    for number, (code, status) in enumerate(told):
        service.post("/fhir", a_message(another(number, status=status), code=code))
    assert [stored.event for stored in service.kept()] == list(told.values())


def test_a_message_without_a_visit_is_a_fatal_error_and_kept(service: Service) -> None:
    answer = service.post("/fhir", a_message(a_visit()[0]))
    assert answer.status_code == 400
    assert response(answer) == ("mh-1", "fatal-error", "invalid")
    assert [stored.state for stored in service.kept()] == ["refused"]


def test_while_the_store_is_away_the_error_is_transient_and_the_message_taken_later(service: Service) -> None:
    service.store.is_away = True
    answer = service.post("/fhir", a_message(*visit()))
    assert (answer.status_code, *response(answer)[:2]) == (503, "mh-1", "transient-error")
    service.store.is_away = False
    assert response(service.post("/fhir", a_message(*visit())))[1] == "ok"


def test_an_answer_is_not_answered_with_a_message(service: Service) -> None:
    answer = service.post("/fhir", a_message(response={"identifier": "x", "code": "ok"}))
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_every_kind_of_bundle_is_read(service: Service) -> None:
    kinds = ("collection", "transaction", "batch", "searchset", "history", "document")
    for number, kind in enumerate(kinds):
        entry = {"resource": another(number), "request": {"method": "PUT", "url": f"Encounter/v{number}"}}
        body = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        assert service.post("/fhir", body).status_code == 200
    assert {case.key: case.state for case in service.cases()} == {
        f"KIS|F{number}": CaseState.DISCHARGED for number in range(len(kinds))
    }


def test_the_end_of_a_course_posted_alone_is_a_result_of_the_visit_that_it_names(
    service: Service, sandbox_ehr: SandboxEhr
) -> None:
    for resource in visit("in-progress"):
        sandbox_ehr.put(resource)
    assert service.post("/fhir", a_course()).status_code == 200
    assert [(stored.event, stored.control_id) for stored in service.kept()] == [
        (Event.RESULT, "Encounter/e1/Procedure/rt1")
    ]
