"""FHIR in, over real HTTP, with a real store and the sandbox EHR."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import orjson
import pytest
from fhir_fixtures import Resource, SandboxEhr, a_visit, collection
from intake_service import TOKEN, Service, service

from service.model import CaseState
from service.pipeline import Outcome
from workers.training.synthetic import SyntheticCase, generate_case

__all__ = ["service"]

KEY = "KIS|F4711"


def told(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, issue code and diagnostics of an OperationOutcome."""
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert answer.headers["content-type"].startswith("application/fhir+json")
    (issue,) = outcome["issue"]
    return answer.status_code, issue["code"], issue["diagnostics"]


def visit(**encounter: Any) -> list[Resource]:
    return [each if each["resourceType"] != "Encounter" else {**each, **encounter} for each in a_visit()]


@pytest.fixture(scope="module")
def breast() -> SyntheticCase:
    return generate_case(7, lang="de", site="breast")


# ---------------------------------------------------------------- Bundles


def test_a_bundle_with_a_finished_visit_starts_one_case_and_rings_for_its_chart(
    service: Service, breast: SyntheticCase
) -> None:
    status, _, text = told(service.post("/fhir", breast.bundle))
    assert (status, text) == (200, "1 visit(s) understood")
    case = service.case()
    assert (case.key, case.state) == (f"EPIKRISE-SYN|{breast.visit_number}", CaseState.DISCHARGED)
    assert service.bells.rung == ["chart"]
    (stored,) = service.kept()
    assert (stored.body, stored.channel, stored.state) == (orjson.dumps(breast.bundle), "fhir", "understood")
    assert stored.case_id == case.id


def test_the_chart_is_read_from_the_bundle_that_was_posted(service: Service, breast: SyntheticCase) -> None:
    service.post("/fhir", breast.bundle)
    assert service.run("chart") == [Outcome.DONE]
    with service.installation.store.read() as tx:
        chart = tx.get("chart", service.case().id)
    assert chart is not None
    handles = {fact["handle"]: fact["value"] for fact in chart["facts"]}
    assert handles["patient.family"] == breast.family
    assert "course.1.volume.1.dose" in handles


def test_the_same_bundle_again_does_nothing_more(service: Service) -> None:
    first = service.post("/fhir", collection(*visit()))
    before = service.case()
    assert told(service.post("/fhir", collection(*visit()))) == told(first)
    assert service.case() == before
    assert len(service.kept()) == 1
    assert service.bells.rung == ["chart"]


def test_a_discharge_by_adt_and_by_fhir_is_one_case(service: Service) -> None:
    adt = b"MSH|^~\\&|KIS|KH|||20260312||ADT^A03|1|P|2.5\rPID|1||PID-1\rPV1|1|I" + b"|" * 17 + b"F4711^^^KIS\r"
    with service.installation.store.begin() as tx:
        id_, _ = tx.add_message(channel="mllp", sender="KIS", control_id="1", body=adt, ack_code="AA")
        tx.add_step("read", "intake", subject=id_)
    assert service.run("read") == [Outcome.DONE]
    service.post("/fhir", collection(*visit()))
    assert (service.case().key, service.case().generation) == (KEY, 1)


@pytest.mark.parametrize(
    ("status", "state"),
    [("in-progress", CaseState.OPEN), ("planned", CaseState.OPEN), ("cancelled", CaseState.WITHDRAWN)],
)
def test_a_visit_that_is_not_finished_starts_no_letter(status: str, state: CaseState, service: Service) -> None:
    assert service.post("/fhir", collection(*visit(status=status))).status_code == 200
    assert service.case().state is state
    assert service.bells.rung == []


def test_each_visit_of_a_bundle_is_a_case_and_has_the_message_once(service: Service) -> None:
    other = {"id": "e2", "identifier": [{"system": "https://kis.example/fall", "value": "F4712"}]}
    both = collection(*visit(), *(each for each in visit(**other) if each["resourceType"] == "Encounter"))
    for _ in range(2):
        assert told(service.post("/fhir", both))[2] == "2 visit(s) understood"
    assert {case.key for case in service.cases()} == {KEY, "KIS|F4712"}
    with service.installation.store.read() as tx:
        filed = [tx.messages_of(case.id) for case in service.cases()]
    assert [[each.body for each in stored] for stored in filed] == [[orjson.dumps(both)]] * 2


def test_one_visit_posted_alone_is_taken(service: Service) -> None:
    (encounter,) = (each for each in visit() if each["resourceType"] == "Encounter")
    assert service.post("/fhir", encounter).status_code == 200
    assert service.case().key == KEY


def test_while_the_store_is_away_the_sender_sends_again_and_nothing_is_half_done(service: Service) -> None:
    service.store.is_away = True
    assert told(service.post("/fhir", collection(*visit())))[:2] == (503, "transient")
    assert told(service.post("/fhir", b"no json"))[:2] == (503, "transient")
    service.store.is_away = False
    assert service.kept() == []
    assert service.post("/fhir", collection(*visit())).status_code == 200
    assert service.case().key == KEY


# ---------------------------------------------------------------- notifications


def backport(kind: str = "event-notification", *, focus: str = "", resources: Sequence[Resource] = ()) -> Resource:
    event: list[Resource] = [{"name": "event-number", "valueString": "1"}]
    event += [{"name": "focus", "valueReference": {"reference": focus}}] if focus else []
    status = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": "Subscription/s1"}},
            {"name": "type", "valueCode": kind},
            {"name": "notification-event", "part": event},
        ],
    }
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": each} for each in (status, *resources)]}


def test_an_empty_rest_hook_leads_to_the_finished_visit(service: Service, load_chart: Callable[[], None]) -> None:
    load_chart()
    assert told(service.post("/fhir/notify"))[0::2] == (200, "1 visit(s) understood")
    assert (service.case().key, service.case().state) == (KEY, CaseState.DISCHARGED)
    service.post("/fhir/notify")
    assert len(service.kept()) == 1


@pytest.mark.parametrize("base", ["", "https://another-name.example/fhir/"])
def test_an_id_only_notification_leads_to_the_visit_that_it_names(
    base: str, service: Service, load_chart: Callable[[], None]
) -> None:
    load_chart()
    assert service.post("/fhir/notify", backport(focus=f"{base}Encounter/e1")).status_code == 200
    assert (service.case().key, service.case().state) == (KEY, CaseState.DISCHARGED)
    assert service.run("chart") == [Outcome.DONE]


def test_a_full_notification_leads_to_the_visit_without_asking_the_ehr(service: Service) -> None:
    encounters = [each for each in visit() if each["resourceType"] == "Encounter"]
    body = backport(focus="Encounter/e1", resources=encounters)
    assert service.post("/fhir/notify", body).status_code == 200
    assert (service.case().key, service.case().state) == (KEY, CaseState.DISCHARGED)
    assert service.kept()[0].body == orjson.dumps(body)


def test_a_rest_hook_with_payload_is_taken_as_hapi_sends_it(service: Service) -> None:
    (encounter,) = (each for each in visit() if each["resourceType"] == "Encounter")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert service.http.put("/fhir/notify/Encounter/e1", json=encounter, headers=headers).status_code == 200
    assert service.case().key == KEY


def test_a_result_that_names_its_visit_adds_to_it_and_starts_no_letter(
    service: Service, load_chart: Callable[[], None]
) -> None:
    load_chart()
    result = {
        "resourceType": "Observation",
        "id": "o9",
        "status": "final",
        "code": {"text": "PSA"},
        "encounter": {"reference": "Encounter/e1"},
    }
    body = backport(focus="Observation/o9", resources=[result])
    assert service.post("/fhir/notify", body).status_code == 200
    assert (service.case().key, service.case().state) == (KEY, CaseState.OPEN)
    assert service.kept()[0].body == orjson.dumps(body)


@pytest.mark.parametrize("kind", ["handshake", "heartbeat"])
def test_a_handshake_is_welcomed_and_starts_nothing(
    kind: str, service: Service, load_chart: Callable[[], None]
) -> None:
    load_chart()
    assert told(service.post("/fhir/notify", backport(kind)))[0::2] == (200, "0 visit(s) understood")
    assert service.cases() == []


def test_while_the_ehr_is_away_the_sender_of_a_notification_sends_again(
    service: Service, sandbox_ehr: SandboxEhr, load_chart: Callable[[], None]
) -> None:
    load_chart()
    sandbox_ehr.arm("unavailable", method="GET")
    assert told(service.post("/fhir/notify", backport(focus="Encounter/e1")))[:2] == (503, "transient")
    sandbox_ehr.disarm()
    assert service.post("/fhir/notify", backport(focus="Encounter/e1")).status_code == 200
    assert service.case().key == KEY


def test_a_visit_that_the_ehr_does_not_have_is_told_and_the_notification_kept(service: Service) -> None:
    body = backport(focus="Encounter/absent")
    answer = service.post("/fhir/notify", body)
    assert answer.status_code == 200, "a server that gets errors gives the Subscription up"
    assert [issue["severity"] for issue in answer.json()["issue"]] == ["information", "warning"]
    assert [(stored.body, stored.state) for stored in service.kept()] == [(orjson.dumps(body), "refused")]


def test_a_visit_that_the_ehr_does_not_let_us_read_is_an_error(
    service: Service, sandbox_ehr: SandboxEhr, load_chart: Callable[[], None]
) -> None:
    load_chart()
    sandbox_ehr.arm("forbidden", method="GET")
    assert told(service.post("/fhir/notify", backport(focus="Encounter/e1")))[:2] == (502, "processing")


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"resourceType": "Patient", "id": "p1"}', "Bundle.entry has no Encounter"),
        (b'{"resourceType": "Bundle", "type": "collection"}', "Bundle.entry has no Encounter"),
        (b'{"resourceType": "Bundle", "entry": {"a": 1}}', "Bundle.entry: not a list"),
        (b'{"some": "json"}', "no FHIR resource"),
        (b"[1, 2]", "no FHIR resource"),
        (b"MSH|^~\\&|no json", "not JSON (line 1, column 1)"),
        (b'{"resourceType": "Bundle", "entry": [', "not JSON (line 1"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "not JSON"),
        (b'{"resourceType": "Bundle", "a":' + b'{"a":' * 500 + b"1" + b"}" * 501, "100 levels"),
    ],
)
def test_what_is_no_bundle_of_a_visit_is_refused_by_its_field_and_kept(
    body: bytes, field: str, service: Service
) -> None:
    status, code, text = told(service.post("/fhir", body))
    assert (status, code) == (400, "invalid")
    assert field in text
    assert "Send" in text
    assert [(stored.body, stored.state) for stored in service.kept()] == [(body, "refused")]
    assert service.post("/fhir", collection(*visit())).status_code == 200
    assert service.case().key == KEY


def encounter(**changed: Any) -> Resource:
    """A visit that has all it must; None takes an element away."""
    whole = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "identifier": [{"system": "https://kis.example/fall", "value": "F4711"}],
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


@pytest.mark.parametrize(
    ("body", "code", "expression"),
    [
        (encounter(status=None), "required", "Encounter.status"),
        (encounter(status="bogus"), "code-invalid", "Encounter.status"),
        (encounter(status="completed"), "code-invalid", "Encounter.status"),
        (encounter(status=["finished"]), "required", "Encounter.status"),
        (encounter(id={"a": 1}), "structure", "Encounter.id"),
        (encounter(id=7), "structure", "Encounter.id"),
        (encounter(id=None, identifier=None), "required", "Encounter.identifier"),
        (collection(encounter(), encounter(status="bogus")), "code-invalid", "Bundle.entry[1].resource.status"),
        ({"resourceType": "Bundle", "entry": [5]}, "structure", "Bundle.entry[0]"),
        ({"resourceType": "Bundle", "entry": [{}, {"resource": None}]}, "structure", "Bundle.entry[1].resource"),
        ({"resourceType": "Bundle", "entry": [{"resource": {"id": "1"}}]}, "structure", "Bundle.entry[0].resource"),
    ],
)
def test_a_visit_that_is_nonsense_is_refused_by_its_element_and_kept(
    body: Resource, code: str, expression: str, service: Service
) -> None:
    answer = service.post("/fhir", body)
    assert told(answer)[:2] == (400, code)
    (issue,) = answer.json()["issue"]
    assert issue["expression"] == [expression]
    assert expression in issue["diagnostics"]
    assert "Send" in issue["diagnostics"]
    assert "bogus" not in answer.text
    assert [(stored.body, stored.state) for stored in service.kept()] == [(orjson.dumps(body), "refused")]
    assert service.cases() == []


@pytest.mark.parametrize("body", [encounter(), encounter(id=None), encounter(identifier=None)])
def test_a_visit_with_a_status_and_a_name_is_taken(body: Resource, service: Service) -> None:
    assert told(service.post("/fhir", body))[0::2] == (200, "1 visit(s) understood")
    assert service.case().state is CaseState.DISCHARGED


@pytest.mark.parametrize("entry", [5, {"resource": None}, {"resource": {"id": "1"}}])
def test_a_notification_that_is_no_fhir_is_refused_and_kept(entry: Any, service: Service) -> None:
    body = {"resourceType": "Bundle", "type": "history", "entry": [entry]}
    assert told(service.post("/fhir/notify", body))[:2] == (400, "structure")
    assert [stored.state for stored in service.kept()] == ["refused"]


@pytest.mark.parametrize(
    ("changed", "warned", "states"),
    [
        ({"status": "bogus"}, "Bundle.entry[1].resource.status", ["understood"]),
        ({"id": {"a": 1}}, "Bundle.entry[1].resource.id", ["refused"]),
    ],
)
def test_an_unusual_visit_in_a_notification_is_a_warning(
    changed: Resource, warned: str, states: list[str], service: Service
) -> None:
    body = backport(focus="Encounter/e1", resources=[encounter(**changed)])
    answer = service.post("/fhir/notify", body)
    assert answer.status_code == 200, "a server that gets errors gives the Subscription up"
    warning = answer.json()["issue"][1]
    assert (warning["severity"], warned in warning["diagnostics"]) == ("warning", True)
    assert [stored.state for stored in service.kept()] == states
    assert [case.state for case in service.cases()] == ([CaseState.OPEN] if states == ["understood"] else [])


@pytest.mark.parametrize("kind", ["handshake", "heartbeat"])
def test_a_handshake_at_the_wrong_address_is_told_the_right_one(kind: str, service: Service) -> None:
    status, _, text = told(service.post("/fhir", backport(kind)))
    assert status == 400
    assert kind in text
    assert "/fhir/notify" in text


def test_one_version_sent_twice_in_other_bytes_is_one_draft(service: Service) -> None:
    versioned = encounter(meta={"versionId": "1"})
    assert service.post("/fhir/notify", backport(focus="Encounter/e1", resources=[versioned])).status_code == 200
    assert service.post("/fhir", versioned).status_code == 200
    assert (service.case().state, service.case().generation) == (CaseState.DISCHARGED, 1)
    assert len(service.kept()) == 2, "what is sent is kept as it came"


_DEEP = b'{"resourceType": "Bundle", "a":' + b'{"a":' * 5000 + b"1" + b"}" * 5001


@pytest.mark.parametrize("body", [b"no json", b"[1, 2]", b'{"a":' * 200_000, _DEEP])
def test_what_is_no_notification_is_refused_and_kept(body: bytes, service: Service) -> None:
    assert told(service.post("/fhir/notify", body))[:2] == (400, "invalid")
    assert [(stored.body, stored.state) for stored in service.kept()] == [(body, "refused")]


def test_an_empty_body_is_refused_where_a_bundle_is_due(service: Service) -> None:
    assert told(service.post("/fhir"))[:2] == (400, "invalid")
    assert service.kept() == []


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer x y"])
def test_without_the_right_token_nothing_is_read(authorization: str, service: Service) -> None:
    answer = service.post("/fhir", collection(*visit()), Authorization=authorization)
    status, code, text = told(answer)
    assert (status, code) == (401, "login")
    assert "Authorization" in text
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text
    assert (service.kept(), service.cases()) == ([], [])


def test_a_body_over_the_limit_is_refused_before_its_end_is_read(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(80):
            yield b" " * 2**20

    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = service.http.post("/fhir", content=endless(), headers=headers)
    assert told(answer)[:2] == (413, "too-long")
    assert service.kept() == []
    assert service.post("/fhir", collection(*visit())).status_code == 200


def test_no_answer_quotes_what_was_sent(service: Service) -> None:
    answer = service.post("/fhir", b'{"resourceType": "Patient", "name": [{"family": "Geheimname"}]}')
    assert "Geheimname" not in answer.text
