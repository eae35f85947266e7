"""The chart of a visit is read from the EHR, by everything or by searches."""

from collections.abc import Callable

import httpx
import pytest
from fhir_fixtures import SandboxEhr, collection
from test_inbox_fhir import a_draft

from adapters.fhir import chart_source
from adapters.fhir.chart_source import FhirChartSource
from adapters.fhir.client import FhirClient
from adapters.fhir.inbox import FhirInbox
from service.chart import build_chart
from service.errors import EhrRefused, EhrUnavailable
from service.ports import Resource

SYSTEMS = {"KIS": "https://kis.example/fall"}
WHOLE = {
    "Patient/p1", "Encounter/e1", "Practitioner/dr1", "Condition/c1", "Observation/o1", "MedicationStatement/ms1",
    "Medication/m1",
}  # fmt: skip


class WithoutEverything(FhirClient):
    """A client of a server that has no $everything, as its CapabilityStatement says."""

    def capabilities(self) -> Resource:
        return {"resourceType": "CapabilityStatement", "rest": [{"resource": [{"type": "Patient"}]}]}

    def everything(self, patient: str) -> list[Resource]:
        raise AssertionError("not asked for")


@pytest.fixture
def ehr(sandbox_ehr: SandboxEhr, load_chart: Callable[[], None]) -> SandboxEhr:
    load_chart()
    return sandbox_ehr


def names(resources: object) -> set[str]:
    assert isinstance(resources, list | tuple)
    told = [each for each in resources if each["resourceType"] != "OperationOutcome"]
    return {f"{each['resourceType']}/{each['id']}" for each in told}


def test_the_whole_chart_of_a_visit_is_read_with_what_it_points_to(ehr: SandboxEhr) -> None:
    source = FhirChartSource(ehr.client, visit_systems=SYSTEMS)
    assert names(source.resources("KIS|F4711", "PID-1")) == WHOLE
    with WithoutEverything(ehr.base, timeout=5) as client:
        searched = FhirChartSource(client, visit_systems=SYSTEMS).resources("KIS|F4711", "PID-1")
    assert names(searched) == WHOLE
    assert len(searched) == len(WHOLE)


def test_a_visit_is_addressed_for_delivery_by_patient_encounter_and_attending_physician(ehr: SandboxEhr) -> None:
    source = FhirChartSource(ehr.client, visit_systems=SYSTEMS)
    assert source.references("KIS|F4711") == ("Patient/p1", "Encounter/e1", "Practitioner/dr1")
    assert source.references("https://kis.example/fall|F4711")[1] == "Encounter/e1"
    assert source.references("KIS|unknown") == ("", "", "")


def test_an_unmapped_authority_needs_the_patients_number_to_agree(ehr: SandboxEhr) -> None:
    source = FhirChartSource(ehr.client, visit_systems=SYSTEMS)
    assert source.references("OTHER|F4711", "PID-1")[1] == "Encounter/e1"
    assert source.references("OTHER|F4711", "PID-2") == ("", "", "")
    assert source.resources("OTHER|F4711", "") == ()


def test_a_visit_number_that_two_encounters_have_is_not_guessed(ehr: SandboxEhr) -> None:
    twin = {**ehr.client.read("Encounter/e1"), "id": "e2"}
    ehr.post("", collection(twin))
    assert FhirChartSource(ehr.client, visit_systems=SYSTEMS).resources("KIS|F4711", "PID-1") == ()


def test_a_case_without_visit_number_is_found_by_its_patient(ehr: SandboxEhr) -> None:
    source = FhirChartSource(ehr.client, visit_systems=SYSTEMS)
    assert source.references("KIS|PID-1|2026-02-01T08:00:00Z") == ("Patient/p1", "", "")
    assert names(source.resources("KIS|PID-1|2026-02-01T08:00:00Z", "PID-1")) == WHOLE


def test_our_own_letters_are_no_source_of_the_chart(ehr: SandboxEhr) -> None:
    FhirInbox(ehr.client).post(a_draft())
    assert names(FhirChartSource(ehr.client, visit_systems=SYSTEMS).resources("KIS|F4711", "PID-1")) == WHOLE


def test_a_type_that_the_server_refuses_is_left_out_and_told(
    ehr: SandboxEhr, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chart_source, "SEARCHES", (("Condition", "patient"), ("AdverseEvent", "nonsense")))
    with WithoutEverything(ehr.base, timeout=5) as client:
        found = FhirChartSource(client, visit_systems=SYSTEMS).resources("KIS|F4711", "PID-1")
    assert "Condition/c1" in names(found)
    told = [vars(each) for each in caplog.records if each.msg == "search_refused"]
    assert ("AdverseEvent", 400) in [(each["type"], each["status"]) for each in told]
    assert "PID-1" not in caplog.text
    (warning,) = [each for each in build_chart([], found).warnings if "did not give" in each]
    assert warning.startswith("AdverseEvent: the EHR did not give this (HTTP 400)")


@pytest.mark.parametrize("with_everything", [True, False])
def test_a_chart_of_which_a_page_fails_is_no_chart(with_everything: bool, ehr: SandboxEhr) -> None:
    subject = {"reference": "Patient/p1"}
    many = [{"resourceType": "Condition", "id": f"x{n}", "subject": subject} for n in range(260)]
    ehr.client.transaction([{"resource": each, "request": {"method": "POST", "url": "Condition"}} for each in many])
    kind = FhirClient if with_everything else WithoutEverything
    with kind(ehr.base, timeout=5, transport=Turning("_after=", 410)) as client, pytest.raises(EhrUnavailable):
        FhirChartSource(client, visit_systems=SYSTEMS).resources("KIS|F4711", "PID-1")


def test_a_reference_that_leads_nowhere_is_a_warning_of_the_chart(ehr: SandboxEhr) -> None:
    with WithoutEverything(ehr.base, timeout=5, transport=Turning("/Practitioner/dr1", 404)) as client:
        found = FhirChartSource(client, visit_systems=SYSTEMS).resources("KIS|F4711", "PID-1")
    assert names(found) == WHOLE - {"Practitioner/dr1"}
    (warning,) = [each for each in build_chart([], found).warnings if "did not give" in each]
    assert warning.startswith("Practitioner: the EHR did not give this (HTTP 404)")


def test_a_refused_login_is_no_thin_chart(ehr: SandboxEhr) -> None:
    refused = pytest.raises(EhrRefused, match="HTTP 401")
    with WithoutEverything(ehr.base, timeout=5, transport=Turning("/Observation?", 401)) as client, refused:
        FhirChartSource(client, visit_systems=SYSTEMS).resources("KIS|F4711", "PID-1")


class Turning(httpx.HTTPTransport):
    """Real HTTP, but requests whose address holds this text are answered with this status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__()
        self._text, self._status = text, status

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._text in str(request.url):
            return httpx.Response(self._status)
        return super().handle_request(request)


def test_a_wrong_base_address_is_refused_and_a_dead_one_unavailable(ehr: SandboxEhr) -> None:
    for base, error in ((f"{ehr.root}/inbox", EhrRefused), ("http://127.0.0.1:9", EhrUnavailable)):
        with FhirClient(base, timeout=2) as client, pytest.raises(error):
            FhirChartSource(client, visit_systems=SYSTEMS).resources("KIS|F4711", "PID-1")
