"""The EHR's inbox page shows drafts to a physician, and nothing in them runs."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from fhir_fixtures import SandboxEhr
from test_inbox_fhir import SIGNATURE, SIGNED, a_draft

from adapters.fhir.inbox import FhirInbox

HOSTILE = '<script>alert("x")</script> & 50,4 Gy'


@pytest.fixture
def ehr(sandbox_ehr: SandboxEhr, load_chart: Callable[[], None]) -> SandboxEhr:
    load_chart()
    return sandbox_ehr


def page(ehr: SandboxEhr, path: str, **headers: str) -> str:
    answer = ehr.http.get(f"{ehr.root}{path}", headers=headers)
    assert answer.status_code == 200
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    return answer.text


def test_the_inbox_lists_an_open_task_with_patient_findings_and_a_link_to_the_review(ehr: SandboxEhr) -> None:
    posted = FhirInbox(ehr.client).post(a_draft())
    html = page(ehr, "/inbox")
    for shown in ("Beispiel, Berta", "1961-05-04", "angefordert", "Blockierende Prüfhinweise: 1", "Muster, Max"):
        assert shown in html
    assert 'href="http://127.0.0.1:1/launch/case-1"' in html
    assert f"/inbox/document/{posted.document.removeprefix('DocumentReference/')}" in html
    assert '<html lang="de">' in html


def test_a_document_shows_its_text_escaped_with_its_status_and_the_ai_label(ehr: SandboxEhr) -> None:
    posted = FhirInbox(ehr.client).post(a_draft(text=HOSTILE, title="<b>Brief</b>"))
    html = page(ehr, f"/inbox/document/{posted.document.removeprefix('DocumentReference/')}")
    assert "<script>" not in html
    assert "<b>Brief" not in html
    assert "&lt;script&gt;" in html
    for shown in ("Entwurf, nicht freigegeben", "Von einer KI entworfen", "Beispiel, Berta", "PID-1"):
        assert shown in html


def test_a_signed_letter_leaves_the_open_list_and_names_its_signer(ehr: SandboxEhr) -> None:
    inbox = FhirInbox(ehr.client)
    posted = inbox.post(a_draft())
    inbox.finalize(posted, text=SIGNED, signature=replace(SIGNATURE, signer="Dr. Ada Muster"))
    assert "Keine offenen Aufgaben" in page(ehr, "/inbox")
    assert "erledigt" in page(ehr, "/inbox?all=1")
    html = page(ehr, f"/inbox/document/{posted.document.removeprefix('DocumentReference/')}")
    assert "Freigegeben von Dr. Ada Muster" in html
    assert "/launch/" not in html


def test_the_page_speaks_english_where_the_browser_or_the_address_asks(ehr: SandboxEhr) -> None:
    FhirInbox(ehr.client).post(a_draft())
    assert "Review and sign" in page(ehr, "/inbox", **{"Accept-Language": "fr, en-GB;q=0.8, de;q=0.5"})
    assert "Review and sign" in page(ehr, "/inbox?lang=en")
    assert "Prüfen und freigeben" in page(ehr, "/inbox?lang=de", **{"Accept-Language": "en"})


def test_an_address_that_would_run_as_a_script_is_no_link(ehr: SandboxEhr) -> None:
    FhirInbox(ehr.client).post(a_draft(review_url="javascript:alert(1)"))
    assert "javascript:" not in page(ehr, "/inbox")


def test_a_document_that_is_not_there_or_not_text_is_said_plainly(ehr: SandboxEhr) -> None:
    assert ehr.http.get(f"{ehr.root}/inbox/document/none").status_code == 404
    content = [{"attachment": {"contentType": "application/pdf", "data": "JVBERg=="}}]
    scan = {"resourceType": "DocumentReference", "status": "current", "content": content}
    created = ehr.client.create(scan)
    identity = created.reference.removeprefix("DocumentReference/")
    assert "kann hier nicht angezeigt werden" in page(ehr, f"/inbox/document/{identity}")
    assert "text/css" in ehr.http.get(f"{ehr.root}/inbox/style.css").headers["Content-Type"]
