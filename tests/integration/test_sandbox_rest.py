"""The sandbox EHR answers as a FHIR R4 server does, over HTTP."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhir_fixtures import Resource, SandboxEhr, collection, running_ehr

PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:t", "value": "1"}], "name": [{"family": "Ä"}]}


def an_entry(resource: Resource, full_url: str = "", **request: str) -> Resource:
    wish = {"method": "POST", "url": resource["resourceType"], **request}
    return {"resource": resource, "request": wish, **({"fullUrl": full_url} if full_url else {})}


def a_transaction(*entries: Resource, kind: str = "transaction") -> Resource:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def a_document(**elements: Any) -> Resource:
    content = [{"attachment": {"contentType": "text/plain", "data": "QQ=="}}]
    return {"resourceType": "DocumentReference", "status": "current", "content": content, **elements}


def require_outcome(answer: httpx.Response, status: int, code: str = "") -> Resource:
    assert answer.status_code == status, answer.text
    outcome: Resource = answer.json()
    get_fhir_model_class("OperationOutcome").model_validate(outcome)
    assert not code or code in {issue["code"] for issue in outcome["issue"]}
    assert "Traceback" not in answer.text
    return outcome


def test_a_created_resource_is_read_back_with_version_and_etag(sandbox_ehr: SandboxEhr) -> None:
    created = sandbox_ehr.post("Patient", PATIENT)
    assert created.status_code == 201
    read = sandbox_ehr.http.get(created.headers["Location"].partition("/_history")[0])
    assert read.json()["name"] == PATIENT["name"]
    assert read.headers["ETag"] == 'W/"1"'
    assert read.headers["Content-Type"].startswith("application/fhir+json")


def test_a_conditional_create_sent_twice_makes_one(sandbox_ehr: SandboxEhr) -> None:
    first = sandbox_ehr.post("Patient", PATIENT, **{"If-None-Exist": "identifier=urn:t|1"})
    second = sandbox_ehr.post("Patient", PATIENT, **{"If-None-Exist": "identifier=urn:t|1"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    sandbox_ehr.post("Patient", PATIENT)
    third = sandbox_ehr.post("Patient", PATIENT, **{"If-None-Exist": "identifier=urn:t|1"})
    require_outcome(third, 412, "multiple-matches")


def test_an_update_onto_a_stale_version_is_refused(sandbox_ehr: SandboxEhr) -> None:
    patient = sandbox_ehr.post("Patient", PATIENT).json()
    address = f"{sandbox_ehr.base}/Patient/{patient['id']}"
    changed = {**patient, "active": True}
    assert sandbox_ehr.http.put(address, json=changed, headers={"If-Match": 'W/"1"'}).headers["ETag"] == 'W/"2"'
    require_outcome(sandbox_ehr.http.put(address, json=changed, headers={"If-Match": 'W/"1"'}), 412, "conflict")
    require_outcome(sandbox_ehr.http.put(address, json=changed, headers={"If-Match": "two"}), 400)
    history = sandbox_ehr.http.get(f"{address}/_history").json()
    assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["2", "1"]
    assert "active" not in sandbox_ehr.http.get(f"{address}/_history/1").json()


def test_an_update_creates_under_the_clients_id_and_by_condition(sandbox_ehr: SandboxEhr) -> None:
    put = sandbox_ehr.http.put
    assert put(f"{sandbox_ehr.base}/Patient/abc", json={**PATIENT, "id": "abc"}).status_code == 201
    require_outcome(put(f"{sandbox_ehr.base}/Patient/abc", json={**PATIENT, "id": "other"}), 400)
    same = put(f"{sandbox_ehr.base}/Patient?identifier=urn:t|1", json={**PATIENT, "active": False})
    assert (same.status_code, same.json()["id"]) == (200, "abc")
    fresh = {**PATIENT, "identifier": [{"system": "urn:t", "value": "2"}]}
    assert put(f"{sandbox_ehr.base}/Patient?identifier=urn:t|2", json=fresh).status_code == 201


def test_a_transaction_resolves_references_between_its_entries_in_any_order(sandbox_ehr: SandboxEhr) -> None:
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "focus": {"reference": "urn:uuid:doc"},
        "for": {"reference": "Patient?identifier=urn:t|1"},
    }
    document = a_document(identifier=[{"system": "urn:k", "value": "urn:uuid:doc"}])
    sandbox_ehr.post("Patient", PATIENT)
    answer = sandbox_ehr.post("", a_transaction(an_entry(task), an_entry(document, "urn:uuid:doc")))
    assert answer.status_code == 200, answer.text
    entries = answer.json()["entry"]
    stored = sandbox_ehr.http.get(entries[0]["response"]["location"]).json()
    document_reference = f"DocumentReference/{entries[1]['resource']['id']}"
    assert stored["focus"]["reference"] == document_reference
    assert stored["for"]["reference"].startswith("Patient/")
    assert entries[1]["resource"]["identifier"][0]["value"] == "urn:uuid:doc", "an identifier is no link"
    assert sandbox_ehr.count("Task", focus=document_reference) == 1


@pytest.mark.parametrize(
    ("spoiler", "status"),
    [
        (an_entry(a_document(docStatus="bogus")), 422),
        (an_entry(a_document(subject={"reference": "urn:uuid:nobody"})), 400),
        (an_entry(a_document(subject={"reference": "Patient/nobody"})), 422),
        (an_entry({**PATIENT, "id": "x"}, method="PUT", url="Patient/x", ifMatch='W/"3"'), 412),
        (an_entry(PATIENT, method="DELETE"), 400),
        (an_entry(PATIENT, url="Task"), 400),
        ({"resource": PATIENT}, 400),
        (an_entry({**PATIENT, "id": "y"}, method="PUT", url="Patient/z"), 400),
    ],
)
def test_a_transaction_with_one_bad_entry_stores_nothing(
    sandbox_ehr: SandboxEhr, spoiler: Resource, status: int
) -> None:
    outcome = require_outcome(sandbox_ehr.post("", a_transaction(an_entry(PATIENT), spoiler)), status)
    assert outcome["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert sandbox_ehr.count("Patient") == sandbox_ehr.count("DocumentReference") == 0


def test_a_transaction_sent_twice_with_conditions_stores_once(sandbox_ehr: SandboxEhr) -> None:
    entry = an_entry(PATIENT, "urn:uuid:a", ifNoneExist="identifier=urn:t|1")
    first, second = (sandbox_ehr.post("", a_transaction(entry)).json() for _ in range(2))
    assert [each["entry"][0]["response"]["status"] for each in (first, second)] == ["201 Created", "200 OK"]
    assert sandbox_ehr.count("Patient") == 1


def test_a_batch_carries_out_what_it_can(sandbox_ehr: SandboxEhr) -> None:
    search = {"request": {"method": "GET", "url": "Patient?identifier=urn:t|1"}}
    bad = an_entry(a_document(status="bogus"))
    answer = sandbox_ehr.post("", a_transaction(an_entry(PATIENT), bad, search, kind="batch")).json()
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201", "422", "200"]
    assert answer["entry"][1]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert answer["entry"][2]["resource"]["total"] == 1


def test_a_chart_loads_from_a_collection_and_everything_comes_in_pages(
    sandbox_ehr: SandboxEhr, load_chart: Callable[[], None]
) -> None:
    load_chart()
    load_chart()
    stranger = {"resourceType": "Condition", "id": "c2", "subject": {"reference": "Patient/p2"}}
    sandbox_ehr.post("", collection({"resourceType": "Patient", "id": "p2"}, stranger))
    page = sandbox_ehr.http.get(f"{sandbox_ehr.base}/Patient/p1/$everything", params={"_count": "3"}).json()
    assert len(page["entry"]) == 3
    whole = sandbox_ehr.client.everything("Patient/p1")
    assert {f"{each['resourceType']}/{each['id']}" for each in whole} == {
        "Patient/p1", "Encounter/e1", "Practitioner/dr1", "Condition/c1", "Observation/o1", "MedicationStatement/ms1",
        "Medication/m1",
    }  # fmt: skip
    paged: list[str] = []
    address: str | None = f"{sandbox_ehr.base}/Patient/p1/$everything?_count=3"
    while address:
        page = sandbox_ehr.http.get(address).json()
        paged += [entry["resource"]["id"] for entry in page["entry"]]
        address = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    assert paged == [each["id"] for each in whole]
    require_outcome(sandbox_ehr.http.get(f"{sandbox_ehr.base}/Patient/nobody/$everything"), 404)


def test_a_search_is_paged_by_next_links_and_sees_each_once(sandbox_ehr: SandboxEhr) -> None:
    for number in range(7):
        sandbox_ehr.post("Patient", {**PATIENT, "identifier": [{"system": "urn:n", "value": str(number)}]})
    found = sandbox_ehr.client.search("Patient", (("identifier", "urn:n|"), ("_count", "3")))
    assert [each["identifier"][0]["value"] for each in found] == [str(number) for number in range(7)]


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("identifier=https://kis.example/fall|F4711", 1),
        ("identifier=F4711", 1),
        ("identifier=|F4711", 0),
        ("identifier=urn:other|F4711", 0),
        ("identifier=F1,F4711", 1),
        ("identifier=F1\\,F4711", 0),
        ("patient=Patient/p1&status=finished", 1),
        ("patient=p1&status=planned", 0),
        ("status:not=planned", 1),
        ("_id=e1&subject=Patient/p1", 1),
        ("participant=Practitioner/dr1", 1),
        ("date:missing=true", 1),
        ("_lastUpdated=ge2020", 1),
        ("_lastUpdated=lt2020", 0),
    ],
)
def test_a_search_finds_what_fhir_says(
    sandbox_ehr: SandboxEhr, load_chart: Callable[[], None], query: str, total: int
) -> None:
    load_chart()
    assert sandbox_ehr.http.get(f"{sandbox_ehr.base}/Encounter?{query}").json()["total"] == total
    posted = sandbox_ehr.http.post(
        f"{sandbox_ehr.base}/Encounter/_search",
        content=query,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert posted.json()["total"] == total


def test_an_unknown_search_parameter_is_refused_rather_than_ignored(sandbox_ehr: SandboxEhr) -> None:
    for query in ("nonsense=1", "identifier:above=1", "_count=-1", "_sort=name", "identifier=", "_lastUpdated=xx"):
        require_outcome(sandbox_ehr.http.get(f"{sandbox_ehr.base}/Patient?{query}"), 400)
    require_outcome(sandbox_ehr.post("Patient", PATIENT, **{"If-None-Exist": "_count=1"}), 400, "required")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"resourceType": "Bundle"}',
        b'{"resourceType": "Bundle", "type": 7}',
        b'{"resourceType": "Bundle", "type": ["transaction"]}',
        b'{"resourceType": "Bundle", "type": "history"}',
        b'{"resourceType": "Bundle", "type": "transaction", "entry": 3}',
        b'{"resourceType": "Bundle", "type": "transaction", "entry": [null]}',
        b'{"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "POST", "url": []}}]}',
        b'{"resourceType": "Bundle", "type": "collection", "entry": [{}]}',
        b'{"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Foo"}}]}',
        b"[" * 200_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
    ],
)
def test_garbage_gets_an_operation_outcome(sandbox_ehr: SandboxEhr, body: bytes) -> None:
    headers = {"Content-Type": "application/fhir+json"}
    for address in (sandbox_ehr.base, f"{sandbox_ehr.base}/Patient"):
        answer = sandbox_ehr.http.post(address, content=body, headers=headers)
        assert 400 <= answer.status_code < 500
        require_outcome(answer, answer.status_code)
    assert sandbox_ehr.post("Patient", PATIENT).status_code == 201, "the next good one goes through"


@pytest.mark.parametrize(
    ("resource", "expression"),
    [
        (a_document(docStatus="bogus"), "DocumentReference.docStatus"),
        (a_document(status="draft"), "DocumentReference.status"),
        (a_document(relatesTo=[{"code": "x", "target": {"display": "y"}}]), "DocumentReference.relatesTo[0].code"),
        ({"resourceType": "Task", "status": "done", "intent": "order"}, "Task.status"),
        ({"resourceType": "Task", "status": "completed", "intent": "wish"}, "Task.intent"),
        ({"resourceType": "Task", "status": "completed"}, "Task.intent"),
        ({**PATIENT, "gender": "f"}, "Patient.gender"),
        ({**PATIENT, "surname": "x"}, "Patient.surname"),
        ({**PATIENT, "managingOrganization": {"reference": "no where"}}, "Patient.managingOrganization.reference"),
    ],
)
def test_a_resource_outside_structure_or_required_value_sets_is_refused(
    sandbox_ehr: SandboxEhr, resource: Resource, expression: str
) -> None:
    answer = sandbox_ehr.post(resource["resourceType"], resource)
    outcome = require_outcome(answer, answer.status_code)
    assert 400 <= answer.status_code < 500
    assert [expression] in [issue.get("expression") for issue in outcome["issue"]]


def test_unknown_addresses_types_and_methods_get_an_outcome(sandbox_ehr: SandboxEhr) -> None:
    http, base = sandbox_ehr.http, sandbox_ehr.base
    require_outcome(http.get(f"{base}/Foo"), 404, "not-supported")
    require_outcome(http.get(f"{base}/Patient/none"), 404, "not-found")
    require_outcome(http.delete(f"{base}/Patient/none"), 405)
    require_outcome(http.get(f"{sandbox_ehr.root}/elsewhere"), 404)
    require_outcome(sandbox_ehr.post("Task", PATIENT), 400)
    require_outcome(http.post(f"{base}/Patient", content=b"<Patient/>", headers={"Content-Type": "text/xml"}), 415)


def test_the_capability_statement_is_valid_and_true(sandbox_ehr: SandboxEhr) -> None:
    statement = sandbox_ehr.client.capabilities()
    get_fhir_model_class("CapabilityStatement").model_validate(statement)
    for resource in statement["rest"][0]["resource"]:
        for parameter in resource["searchParam"]:
            value = "2026" if parameter["type"] == "date" else "x"
            answer = sandbox_ehr.http.get(f"{sandbox_ehr.base}/{resource['type']}?{parameter['name']}={value}")
            assert answer.status_code == 200, (resource["type"], parameter)


def test_faults_are_out_of_reach_without_the_switch(tmp_path: Path) -> None:
    with running_ehr(tmp_path, faults=False) as root, httpx.Client(trust_env=False) as http:
        assert http.post(f"{root}/sandbox/faults", json={"kind": "busy"}).status_code == 404


def test_it_runs_as_a_process_of_its_own_and_keeps_its_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "adapters.sandbox", "--home", str(tmp_path / "ehr"), "--port", "0"]
    for expected in (0, 1):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                root = process.stdout.readline().strip()
                with httpx.Client(trust_env=False, timeout=10) as http:
                    assert http.get(f"{root}/fhir/Patient").json()["total"] == expected
                    http.post(f"{root}/fhir/Patient", json=PATIENT)
            finally:
                process.kill()
