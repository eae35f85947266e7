"""Chart reads and the inbox against a FHIR server nobody here wrote."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from fhir.resources.R4B import get_fhir_model_class
from medplum_fixtures import VISIT_SYSTEMS, Ehr
from peer_programs import NEEDS_PEERS
from test_inbox_fhir import SIGNATURE, SIGNED, a_draft

from adapters.fhir.chart_source import FhirChartSource
from adapters.fhir.client import FhirClient
from adapters.fhir.documents import DOCUMENT_SYSTEM
from adapters.fhir.inbox import FhirInbox
from service import deliver
from service.chart import build_chart
from service.chart.bundle import resources_of
from service.errors import EhrRefused
from service.model import Chart, DraftDocument, Lang, Posted
from service.ports import Resource
from workers.training.synthetic import SyntheticCase, generate_case

pytestmark = [pytest.mark.slow, NEEDS_PEERS]


def key_of(case: SyntheticCase) -> str:
    return f"EPIKRISE-SYN|{case.visit_number}"


# ---------------------------------------------------------------- the chart


def comparable(chart: Chart) -> tuple[object, ...]:
    """Facts by handle. A server keeps no order between types, so the order of facts is not compared."""
    facts = {fact.handle: (fact.type, fact.value, fact.unit, fact.display, fact.source) for fact in chart.facts}
    return facts, sorted(map(repr, chart.conflicts)), sorted(chart.warnings)


@pytest.mark.parametrize(("seed", "lang"), [(1, "de"), (7, "de"), (3, "en"), (21, "en")])
def test_a_chart_read_from_the_server_is_the_chart_of_the_bundle(seed: int, lang: Lang, ehr: Ehr) -> None:
    case = generate_case(seed, lang=lang)
    ehr.load(case)
    source = FhirChartSource(ehr.client, visit_systems=VISIT_SYSTEMS)
    read = source.resources(key_of(case), "")
    from_server = build_chart([], read, visit_key=key_of(case))
    from_bundle = build_chart([], resources_of(case.bundle), visit_key=key_of(case))
    assert from_server.facts
    assert comparable(from_server) == comparable(from_bundle)


def test_all_pages_of_a_search_are_read(ehr: Ehr) -> None:
    subject = {"reference": "Patient/of-many-results"}
    ehr.put({"resourceType": "Patient", "id": "of-many-results"})
    code = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
    for first in (0, 25):
        ehr.put(
            *(
                {"resourceType": "Observation", "id": f"lab-{n}", "status": "final", "subject": subject, "code": code}
                for n in range(first, first + 25)
            )
        )
    found = ehr.client.search("Observation", (("patient", "Patient/of-many-results"),))
    assert {each["id"] for each in found} == {f"lab-{n}" for n in range(50)}
    assert len(found) == 50


def test_what_changed_since_is_found_by_last_updated(ehr: Ehr) -> None:
    case = generate_case(12, lang="de")
    ehr.load(case)
    (encounter,) = ehr.client.search(
        "Encounter", (("identifier", f"urn:epikrise:synthetic:visit|{case.visit_number}"),)
    )
    changed = encounter["meta"]["lastUpdated"]
    found = ehr.client.search("Encounter", (("_lastUpdated", f"ge{changed}"), ("status", "finished,cancelled")))
    assert encounter["id"] in {each["id"] for each in found}
    assert ehr.client.search("Encounter", (("_lastUpdated", "ge2999-01-01T00:00:00Z"),)) == []


def test_a_visit_is_addressed_for_delivery(ehr: Ehr) -> None:
    case = generate_case(2, lang="de")
    ehr.load(case)
    references = FhirChartSource(ehr.client, visit_systems=VISIT_SYSTEMS).references(key_of(case))
    assert [each.partition("/")[0] for each in references] == ["Patient", "Encounter", "Practitioner"]
    assert ehr.client.read(references[1])["identifier"][0]["value"] == case.visit_number


def test_what_the_server_does_not_have_is_refused_with_its_status(ehr: Ehr) -> None:
    with pytest.raises(EhrRefused) as refusal:
        ehr.client.read("Patient/nobody")
    assert (refusal.value.status, refusal.value.issues) == (404, ("not-found",))


# ---------------------------------------------------------------- the inbox


class WithoutTransactions(FhirClient):
    """A client of a server that has no transactions, as its CapabilityStatement says."""

    def capabilities(self) -> Resource:
        return {"resourceType": "CapabilityStatement", "rest": [{"interaction": [{"code": "batch"}]}]}


@pytest.fixture(params=[FhirClient, WithoutTransactions], ids=["transactions", "one by one"])
def inbox(ehr: Ehr, request: pytest.FixtureRequest) -> Iterator[FhirInbox]:
    with request.param(ehr.base, timeout=20) as client:
        yield FhirInbox(client)


@pytest.fixture
def draft(ehr: Ehr) -> DraftDocument:
    """A draft of a visit that is at the server, under a key that no other test has."""
    case = generate_case(5, lang="de")
    ehr.load(case)
    patient, encounter, owner = FhirChartSource(ehr.client, visit_systems=VISIT_SYSTEMS).references(key_of(case))
    key = f"case-{uuid4()}"
    return replace(
        a_draft(), key=f"{key}.1", case_id=key, patient_ref=patient, encounter_ref=encounter, owner_ref=owner
    )


def documents(ehr: Ehr, draft: DraftDocument) -> int:
    return ehr.count("DocumentReference", identifier=f"{DOCUMENT_SYSTEM}|{draft.key}")


def text_of(ehr: Ehr, posted: Posted) -> str:
    return base64.b64decode(ehr.client.read(posted.document)["content"][0]["attachment"]["data"]).decode()


def test_a_draft_becomes_a_document_a_task_and_a_provenance(ehr: Ehr, inbox: FhirInbox, draft: DraftDocument) -> None:
    posted = inbox.post(draft)
    document, task, provenance = (ehr.client.read(each) for each in (posted.document, posted.task, posted.provenance))
    for resource in (document, task, provenance):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert (document["status"], document["docStatus"]) == ("current", "preliminary")
    assert text_of(ehr, posted) == draft.text
    assert task["focus"]["reference"] == posted.document
    assert provenance["target"] == [{"reference": posted.document}]
    assert ehr.client.read(provenance["agent"][0]["who"]["reference"])["resourceType"] == "Device"


def test_a_draft_posted_again_is_the_same_document(ehr: Ehr, inbox: FhirInbox, draft: DraftDocument) -> None:
    first = inbox.post(draft)
    again = inbox.post(replace(draft, text="anderer Text"))
    assert again == first == inbox.find(draft.key)
    assert documents(ehr, draft) == 1
    assert text_of(ehr, first) == draft.text
    assert inbox.find("nobody.1") is None


def test_a_signed_letter_is_final_and_stays_so(ehr: Ehr, inbox: FhirInbox, draft: DraftDocument) -> None:
    posted = inbox.post(draft)
    signature = replace(SIGNATURE, case_id=draft.case_id)
    for _ in range(2):
        deliver.finalize(inbox, key=draft.key, posted=None, text=SIGNED, signature=signature)
    document = ehr.client.read(posted.document)
    assert (document["docStatus"], text_of(ehr, posted)) == ("final", SIGNED)
    assert ehr.client.read(posted.task)["status"] == "completed"
    assert ehr.count("Provenance", target=posted.document) == 2
    with pytest.raises(EhrRefused):
        inbox.withdraw(posted, reason="A13")


def test_a_withdrawn_draft_is_entered_in_error(ehr: Ehr, inbox: FhirInbox, draft: DraftDocument) -> None:
    posted = inbox.post(draft)
    for _ in range(2):
        inbox.withdraw(posted, reason="discharge cancelled")
    document, task = ehr.client.read(posted.document), ehr.client.read(posted.task)
    assert (document["status"], document["docStatus"]) == ("entered-in-error", "entered-in-error")
    assert (task["status"], task["statusReason"]["text"]) == ("cancelled", "discharge cancelled")


def test_a_newer_draft_supersedes_the_former(ehr: Ehr, inbox: FhirInbox, draft: DraftDocument) -> None:
    former = inbox.post(draft)
    newer = inbox.post(replace(draft, key=f"{draft.case_id}.2"), replaces=former)
    assert ehr.client.read(former.document)["status"] == "superseded"
    assert ehr.client.read(former.task)["status"] == "cancelled"
    assert ehr.client.read(newer.document)["relatesTo"][0]["target"] == {"reference": former.document}


def test_a_version_that_somebody_else_changed_is_not_overwritten(ehr: Ehr, draft: DraftDocument) -> None:
    posted = FhirInbox(ehr.client).post(draft)
    stale = ehr.client.read(posted.task)
    ehr.client.update({**stale, "note": [{"text": "von der Station"}]})
    with pytest.raises(EhrRefused) as refusal:
        ehr.client.update({**stale, "status": "completed"})
    assert refusal.value.status == 412
    FhirInbox(ehr.client).finalize(posted, text=SIGNED, signature=SIGNATURE)
    assert ehr.client.read(posted.task)["note"] == [{"text": "von der Station"}]
