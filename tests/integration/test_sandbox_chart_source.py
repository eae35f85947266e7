"""The chart of a visit is read from the EHR, by everything or by searches."""

from collections.abc import Callable

import pytest
from fhir_fixtures import SandboxEhr, collection
from test_inbox_fhir import a_draft

from adapters.fhir import chart_source
from adapters.fhir.chart_source import FhirChartSource
from adapters.fhir.client import FhirClient
from adapters.fhir.inbox import FhirInbox
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
    return {f"{each['resourceType']}/{each['id']}" for each in resources}


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
    assert "search_refused type=AdverseEvent status=400" in caplog.text
    assert "PID-1" not in caplog.text


def test_a_wrong_base_address_is_refused_and_a_dead_one_unavailable(ehr: SandboxEhr) -> None:
    for base, error in ((f"{ehr.root}/inbox", EhrRefused), ("http://127.0.0.1:9", EhrUnavailable)):
        with FhirClient(base, timeout=2) as client, pytest.raises(error):
            FhirChartSource(client, visit_systems=SYSTEMS).resources("KIS|F4711", "PID-1")
