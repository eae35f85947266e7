"""A draft reaches the EHR's inbox exactly once, whatever the network does."""

import base64
import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhir_fixtures import Resource, SandboxEhr

from adapters.fhir.client import FhirClient
from adapters.fhir.documents import DOCUMENT_SYSTEM, DocumentType
from adapters.fhir.inbox import FhirInbox
from service import deliver
from service.errors import EhrAmbiguous, EhrRefused, EhrUnavailable, EpikriseError, SignatureRefused
from service.model import DraftDocument, Posted, Signature, WriterInfo

WRITER = WriterInfo(base="b" * 64, lora="c" * 64, prompt="v1", handles="v1", tokens=200, seconds=1.0)
SIGNED = "Signierter Brief.\n"
SIGNATURE = Signature(
    case_id="case-1",
    generation=1,
    revision=3,
    signer="Practitioner/dr1",
    signed_at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
    digest=hashlib.sha256(SIGNED.encode()).hexdigest(),
)


def a_draft(generation: int = 1, **changes: object) -> DraftDocument:
    fields: dict[str, object] = {
        "key": f"case-1.{generation}",
        "case_id": "case-1",
        "title": "Arztbrief Strahlentherapie (Entwurf)",
        "text": "Sehr geehrte Kollegin,\n50,4 Gy für Frau Beispiel.\n",
        "lang": "de",
        "created_at": datetime(2026, 3, 1, 8, 0, tzinfo=UTC),
        "patient_ref": "Patient/p1",
        "encounter_ref": "Encounter/e1",
        "owner_ref": "Practitioner/dr1",
        "review_url": "http://127.0.0.1:1/launch/case-1",
        "writer": WRITER,
        "findings_block": 1,
        "findings_warn": 2,
        **changes,
    }
    return DraftDocument(**fields)  # type: ignore[arg-type]


@pytest.fixture
def ehr(sandbox_ehr: SandboxEhr, load_chart: Callable[[], None]) -> SandboxEhr:
    load_chart()
    return sandbox_ehr


@pytest.fixture(params=["transactions", "no transactions"])
def inbox(ehr: SandboxEhr, request: pytest.FixtureRequest) -> FhirInbox:
    if request.param == "no transactions":
        ehr.arm("no_transactions")
    return FhirInbox(ehr.client)


def documents_of(ehr: SandboxEhr, key: str = "case-1.1") -> int:
    return ehr.count("DocumentReference", identifier=f"{DOCUMENT_SYSTEM}|{key}")


def text_of(document: Resource) -> str:
    return base64.b64decode(document["content"][0]["attachment"]["data"]).decode()


def test_a_draft_becomes_a_preliminary_document_a_task_and_a_provenance(ehr: SandboxEhr, inbox: FhirInbox) -> None:
    posted = inbox.post(a_draft())
    document, task, provenance = (
        ehr.client.read(reference) for reference in (posted.document, posted.task, posted.provenance)
    )
    for resource in (document, task, provenance):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert (document["status"], document["docStatus"]) == ("current", "preliminary")
    assert document["type"]["coding"][0]["code"] == "18842-5"
    assert document["category"][0]["coding"][0]["code"] == "clinical-note"
    assert document["context"]["encounter"] == [{"reference": "Encounter/e1"}]
    assert [label["code"] for label in document["meta"]["security"]] == ["AIAST"]
    assert text_of(document) == a_draft().text
    assert document["masterIdentifier"] == document["identifier"][0] == {"system": DOCUMENT_SYSTEM, "value": "case-1.1"}
    assert (task["status"], task["intent"]) == ("requested", "order")
    assert task["focus"]["reference"] == posted.document
    assert (task["for"], task["owner"]) == ({"reference": "Patient/p1"}, {"reference": "Practitioner/dr1"})
    assert task["input"][0]["valueUrl"] == "http://127.0.0.1:1/launch/case-1"
    assert task["input"][0]["type"]["coding"][0]["code"] == "smartonfhir-application"
    assert provenance["target"] == [{"reference": posted.document}]
    device = ehr.client.read(provenance["agent"][0]["who"]["reference"])
    assert {each["value"] for each in device["version"]} == {"b" * 64, "c" * 64, "v1"}


def test_a_draft_posted_again_is_the_same_document(ehr: SandboxEhr, inbox: FhirInbox) -> None:
    first = inbox.post(a_draft())
    assert inbox.post(a_draft(text="anderer Text")) == first == inbox.find("case-1.1")
    assert [ehr.count(name) for name in ("DocumentReference", "Task", "Provenance", "Device")] == [1, 1, 1, 1]
    assert inbox.find("case-1.2") is None


def test_a_draft_posted_by_many_workers_at_once_is_one_document(ehr: SandboxEhr) -> None:
    with ThreadPoolExecutor(8) as pool:
        posted = set(pool.map(lambda _: FhirInbox(ehr.client).post(a_draft()), range(16)))
    assert len(posted) == documents_of(ehr) == ehr.count("Task") == 1


def test_a_draft_of_a_patient_unknown_to_the_ehr_has_no_subject(ehr: SandboxEhr) -> None:
    posted = FhirInbox(ehr.client, document_type=DocumentType(code="68603-0", display="Radiation oncology")).post(
        a_draft(patient_ref="", encounter_ref="", owner_ref="")
    )
    document = ehr.client.read(posted.document)
    assert "subject" not in document
    assert document["type"]["coding"][0]["code"] == "68603-0"


@pytest.mark.parametrize("fault", ["error_after", "hang_after"])
def test_a_fault_after_storing_ends_as_exactly_one_document(ehr: SandboxEhr, fault: str) -> None:
    with FhirClient(ehr.base, timeout=0.5) as client:
        inbox = FhirInbox(client)
        ehr.arm(fault, seconds=1.0)
        with pytest.raises(EhrAmbiguous):
            deliver.deliver(inbox, a_draft())
        posted = deliver.deliver(inbox, a_draft(), last_attempt_ambiguous=True)
    assert documents_of(ehr) == ehr.count("Task") == 1
    assert ehr.client.read(posted.document)["docStatus"] == "preliminary"


def test_a_fault_after_any_single_create_ends_as_exactly_one_document(ehr: SandboxEhr) -> None:
    ehr.arm("no_transactions")
    inbox = FhirInbox(ehr.client)
    for resource_type in ("Device", "DocumentReference", "Provenance", "Task"):
        ehr.arm("error_after", path=f"/fhir/{resource_type}")
        with pytest.raises(EhrAmbiguous):
            deliver.deliver(inbox, a_draft(), last_attempt_ambiguous=True)
        assert (resource_type == "Task") == (ehr.count("Task") == 1), "the task comes last"
    deliver.deliver(inbox, a_draft(), last_attempt_ambiguous=True)
    assert [ehr.count(name) for name in ("DocumentReference", "Task", "Provenance", "Device")] == [1, 1, 1, 1]


def test_a_half_posted_draft_is_found_without_its_task(ehr: SandboxEhr) -> None:
    ehr.arm("no_transactions")
    inbox = FhirInbox(ehr.client)
    ehr.arm("error_before", path="/fhir/Task")
    with pytest.raises(EhrAmbiguous):
        inbox.post(a_draft())
    half = inbox.find("case-1.1")
    assert half is not None
    assert half.document
    assert half.task == ""
    assert deliver.withdraw(inbox, key="case-1.1", posted=None, reason="cancelled") == half
    assert ehr.client.read(half.document)["status"] == "entered-in-error"


def test_a_busy_ehr_is_unavailable_and_says_when_to_come_back(ehr: SandboxEhr) -> None:
    for fault, seconds in (("busy", 7.0), ("unavailable", 3.0)):
        ehr.arm(fault)
        with pytest.raises(EhrUnavailable) as caught:
            FhirInbox(ehr.client).post(a_draft())
        assert caught.value.retry_after == seconds
    assert ehr.count("DocumentReference") == 0


def test_a_refusal_names_codes_and_paths_and_no_content(ehr: SandboxEhr, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(EhrRefused) as caught:
        FhirInbox(ehr.client).post(a_draft(patient_ref="Patient/unknown-77"))
    assert caught.value.status == 422
    assert caught.value.issues == ("not-found",)
    assert "not-found at Bundle.entry[1].resource.subject.reference" in str(caught.value)
    ehr.arm("forbidden")
    with pytest.raises(EhrRefused, match="credentials"):
        FhirInbox(ehr.client).post(a_draft())
    FhirInbox(ehr.client).find("case-1.1")
    client_lines = "\n".join(
        line.getMessage() for line in caplog.records if line.name.startswith(("httpx", "httpcore"))
    )
    assert "case-1.1" not in client_lines
    for secret in ("unknown-77", "Beispiel", "50,4"):
        assert secret not in str(caught.value) + client_lines


def test_a_newer_draft_supersedes_the_former_one(ehr: SandboxEhr, inbox: FhirInbox) -> None:
    former = inbox.post(a_draft())
    newer = deliver.deliver(inbox, a_draft(2), replaces=former)
    again = deliver.deliver(inbox, a_draft(2), replaces=former, last_attempt_ambiguous=True)
    assert again == newer
    assert ehr.client.read(former.document)["status"] == "superseded"
    assert ehr.client.read(former.task)["status"] == "cancelled"
    relation = ehr.client.read(newer.document)["relatesTo"]
    assert relation == [{"code": "replaces", "target": {"reference": former.document}}]
    assert ehr.count("Task", status="requested") == 1


def test_signing_makes_the_document_final_and_the_task_completed_once(ehr: SandboxEhr, inbox: FhirInbox) -> None:
    posted = inbox.post(a_draft())
    for _ in range(2):
        deliver.finalize(inbox, key="case-1.1", posted=None, text=SIGNED, signature=SIGNATURE)
    document = ehr.client.read(posted.document)
    assert document["docStatus"] == "final"
    assert document["authenticator"] == {"reference": "Practitioner/dr1"}
    assert text_of(document) == SIGNED
    assert document["content"][0]["attachment"]["title"] == "Arztbrief Strahlentherapie"
    assert [label["code"] for label in document["meta"]["security"]] == ["AIAST", "CLINAST"]
    assert document["meta"]["versionId"] == "2", "the second time changes nothing"
    assert ehr.client.read(posted.task)["status"] == "completed"
    acts = ehr.client.search("Provenance", (("target", posted.document),))
    assert [act["agent"][0]["type"]["coding"][0]["code"] for act in acts] == ["assembler", "verifier"]


@pytest.mark.parametrize("fault", ["error_after", "precondition", "conflict"])
def test_signing_survives_a_lost_answer_and_a_stale_version(ehr: SandboxEhr, fault: str) -> None:
    inbox = FhirInbox(ehr.client)
    posted = inbox.post(a_draft())
    ehr.arm(fault)
    try:
        inbox.finalize(posted, text=SIGNED, signature=SIGNATURE)
    except EhrAmbiguous:
        inbox.finalize(posted, text=SIGNED, signature=SIGNATURE)
    assert ehr.client.read(posted.document)["docStatus"] == "final"
    assert ehr.count("Provenance", target=posted.document) == 2


def test_what_is_signed_is_neither_signed_otherwise_nor_withdrawn_nor_superseded(
    ehr: SandboxEhr, inbox: FhirInbox
) -> None:
    posted = inbox.post(a_draft())
    inbox.finalize(posted, text=SIGNED, signature=SIGNATURE)
    with pytest.raises(EhrRefused):
        inbox.finalize(posted, text="anders", signature=SIGNATURE)
    with pytest.raises(EhrRefused):
        inbox.withdraw(posted, reason="A13")
    with pytest.raises(EhrRefused):
        inbox.post(a_draft(2), replaces=posted)
    assert text_of(ehr.client.read(posted.document)) == SIGNED
    assert documents_of(ehr, "case-1.2") == 0


def test_a_withdrawn_draft_is_entered_in_error_and_cannot_be_signed(ehr: SandboxEhr, inbox: FhirInbox) -> None:
    posted = inbox.post(a_draft())
    for _ in range(2):
        inbox.withdraw(posted, reason="discharge cancelled")
    document, task = ehr.client.read(posted.document), ehr.client.read(posted.task)
    assert (document["status"], document["docStatus"]) == ("entered-in-error", "entered-in-error")
    assert (task["status"], task["statusReason"]["text"]) == ("cancelled", "discharge cancelled")
    assert (document["meta"]["versionId"], task["meta"]["versionId"]) == ("2", "2")
    with pytest.raises(EhrRefused):
        inbox.finalize(posted, text=SIGNED, signature=SIGNATURE)


def delete_at(ehr: SandboxEhr, *references: str) -> None:
    for reference in references:
        ehr.arm("gone", method="GET", path=f"/fhir/{reference}", times=99)


def test_a_draft_that_the_ehr_deleted_is_replaced_and_withdrawn_without_it(ehr: SandboxEhr, inbox: FhirInbox) -> None:
    former = inbox.post(a_draft())
    delete_at(ehr, former.document, former.task)
    newer = inbox.post(a_draft(2), replaces=former)
    assert "relatesTo" not in ehr.client.read(newer.document)
    assert ehr.client.read(newer.task)["status"] == "requested"
    inbox.withdraw(former, reason="discharge cancelled")
    delete_at(ehr, newer.task)
    inbox.finalize(newer, text=SIGNED, signature=SIGNATURE)
    assert ehr.client.read(newer.document)["docStatus"] == "final"


def test_a_document_that_the_ehr_deleted_cannot_be_signed(ehr: SandboxEhr, inbox: FhirInbox) -> None:
    posted = inbox.post(a_draft())
    delete_at(ehr, posted.document)
    with pytest.raises(EhrRefused):
        inbox.finalize(posted, text=SIGNED, signature=SIGNATURE)
    assert ehr.count("Task", status="completed") == 0


def test_a_change_by_somebody_else_is_kept_when_the_task_is_completed(ehr: SandboxEhr, inbox: FhirInbox) -> None:
    posted = inbox.post(a_draft())
    task = ehr.client.read(posted.task)
    ehr.client.update({**task, "status": "in-progress", "note": [{"text": "von der Station"}]})
    inbox.finalize(posted, text=SIGNED, signature=SIGNATURE)
    done = ehr.client.read(posted.task)
    assert (done["status"], done["note"]) == ("completed", [{"text": "von der Station"}])


def test_two_documents_under_one_key_are_for_a_person_to_settle(ehr: SandboxEhr, inbox: FhirInbox) -> None:
    posted = inbox.post(a_draft())
    twin = {k: v for k, v in ehr.client.read(posted.document).items() if k not in {"id", "meta"}}
    ehr.client.create(twin)
    with pytest.raises(EhrRefused) as found:
        inbox.find("case-1.1")
    with pytest.raises(EhrRefused) as posting:
        inbox.post(a_draft())
    assert "multiple-matches" in found.value.issues
    assert "multiple-matches" in posting.value.issues


def test_a_text_that_is_not_the_signed_one_never_leaves(ehr: SandboxEhr) -> None:
    inbox = FhirInbox(ehr.client)
    posted = inbox.post(a_draft())
    with pytest.raises(SignatureRefused):
        deliver.finalize(inbox, key="case-1.1", posted=posted, text=SIGNED + " ", signature=SIGNATURE)
    with pytest.raises(EhrRefused):
        deliver.finalize(inbox, key="nobody.1", posted=None, text=SIGNED, signature=SIGNATURE)
    assert deliver.withdraw(inbox, key="nobody.1", posted=None, reason="A13") is None


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with FhirClient("http://127.0.0.1:9/fhir", timeout=2) as client, pytest.raises(EhrUnavailable) as caught:
        FhirInbox(client).post(a_draft(), replaces=Posted(document="DocumentReference/1", task="Task/1"))
    assert isinstance(caught.value, EpikriseError)
