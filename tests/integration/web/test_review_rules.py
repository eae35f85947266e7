"""What the server lets a reviewer do, whatever the page shows."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from desk_fixtures import HTML, WebDesk, a_desk, put_case

from service.letter import finding_key
from service.model import CaseState
from service.pipeline import run_step
from workers.training.synthetic import generate_case


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[WebDesk]:
    with a_desk(tmp_path) as desk:
        yield desk


def state(desk: WebDesk) -> CaseState:
    return desk.desk().case.state


def test_a_signature_is_refused_while_a_blocking_finding_is_open_and_the_page_says_which(desk: WebDesk) -> None:
    wrong = desk.plant_wrong_dose()
    answer = desk.sign()
    assert answer.status_code == 422
    assert 'id="refusal"' in answer.text
    assert "Die Freigabe ist gesperrt" in answer.text
    assert wrong in answer.text.partition('id="refusal"')[2].partition("</div>")[0]
    assert 'value="Dr. Ada Muster"' in answer.text  # what was typed is not lost
    assert state(desk) is CaseState.IN_REVIEW


def test_the_refusal_is_said_in_json_to_whoever_asks_for_json(desk: WebDesk) -> None:
    desk.plant_wrong_dose()
    answer = desk.post(
        "sign", headers={"Accept": "application/json"}, digest=desk.desk().digest, signer="Dr. A", attest="yes"
    )
    assert answer.status_code == 422
    assert answer.json()["error"] == "signature_refused"


def test_the_charts_value_mends_the_finding_and_then_the_letter_can_be_signed(desk: WebDesk) -> None:
    before = desk.desk().review.text
    desk.plant_wrong_dose()
    fixable = next(f for f in desk.desk().blocking if f.chart is not None)
    assert desk.post(f"fix/{finding_key(fixable)}", section="5").status_code == 303
    assert desk.desk().review.text == before
    assert desk.sign().status_code == 303
    assert state(desk) is CaseState.SIGNED


def test_a_blocking_finding_can_be_dismissed_with_a_reason_and_not_without(desk: WebDesk) -> None:
    desk.plant_wrong_dose()
    for finding in desk.desk().blocking:
        refused = desk.post(f"finding/{finding_key(finding)}", action="dismissed", reason="  ")
        assert refused.status_code == 400
        kept = desk.post(f"finding/{finding_key(finding)}", action="dismissed", reason="Akte veraltet")
        assert kept.status_code == 303
    html = desk.page().text
    assert html.partition('id="sign"')[2].count("Akte veraltet") == 2
    assert desk.sign().status_code == 303


def test_every_edit_is_verified_again(desk: WebDesk) -> None:
    assert not desk.desk().blocking
    desk.plant_wrong_dose()
    assert "2 Hinweise sperren die Freigabe" in desk.page().text


def test_a_save_on_an_old_revision_overwrites_nothing_and_gives_the_typed_text_back(desk: WebDesk) -> None:
    desk.plant_wrong_dose()
    before = desk.desk().review.text
    answer = desk.post("section/0", revision="0", text="Liebe <Kollegen>,")
    assert answer.status_code == 409
    assert "Liebe &lt;Kollegen&gt;," in answer.text
    assert desk.desk().review.text == before


def test_a_signature_for_another_revision_is_a_conflict(desk: WebDesk) -> None:
    digest = desk.desk().digest
    desk.plant_wrong_dose()
    assert desk.sign(revision="0", digest=digest).status_code == 409
    assert state(desk) is not CaseState.SIGNED


@pytest.mark.parametrize("wrong", [{"digest": "0" * 64}, {"signer": " "}, {"attest": ""}])
def test_a_signature_needs_the_text_shown_a_name_and_the_confirmation(desk: WebDesk, wrong: dict[str, str]) -> None:
    assert desk.sign(**wrong).status_code == 422
    assert state(desk) is CaseState.IN_INBOX


@pytest.mark.parametrize("revision", ["", "-1", "eins"])
def test_a_form_without_its_revision_is_refused(desk: WebDesk, revision: str) -> None:
    assert desk.sign(revision=revision).status_code == 400


@pytest.mark.parametrize("token", ["", "0" * 40, "ä"])
def test_a_form_without_the_pages_token_changes_nothing(desk: WebDesk, token: str) -> None:
    for path in ("section/0", "rewrite", "discard", "sign", "fix/0123456789abcdef", "finding/0123456789abcdef"):
        assert desk.post(path, form_token=token, text="x", reason="x", action="accepted").status_code == 403
    assert desk.desk().review.revision == 0
    assert state(desk) is CaseState.IN_INBOX


def test_without_a_launch_token_nothing_opens(desk: WebDesk) -> None:
    for path in ("", "/source/patient.name", "?launch=wrong", "?launch=%C3%A4"):
        answer = httpx.get(f"{desk.root}{desk.path}{path}", headers=HTML, trust_env=False)
        assert answer.status_code == 403
        assert "Posteingang" in answer.text
        assert desk.told.family not in answer.text


def test_one_cases_token_opens_no_other_case(desk: WebDesk) -> None:
    other = put_case(desk.installation, generate_case(8, lang="de", site="lung"))
    token = desk.installation.addresses.token(desk.case_id)
    answer = httpx.get(f"{desk.root}/review/{other}", params={"launch": token}, trust_env=False)
    assert answer.status_code == 403


def test_the_launch_token_leaves_the_address_and_stays_a_cookie_of_this_case_alone(desk: WebDesk) -> None:
    token = desk.installation.addresses.token(desk.case_id)
    answer = httpx.get(f"{desk.root}{desk.path}", params={"launch": token}, trust_env=False)
    assert answer.headers["Location"] == desk.path
    cookie = answer.headers["Set-Cookie"]
    assert f"Path={desk.path}" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_a_case_that_does_not_exist_is_a_clear_page(desk: WebDesk) -> None:
    token = desk.installation.addresses.token("nobody")
    answer = desk.http.get(f"/review/nobody?launch={token}", headers=HTML, follow_redirects=True)
    assert answer.status_code == 404
    assert "Diesen Fall gibt es hier nicht" in answer.text
    assert "Traceback" not in answer.text


def test_a_case_whose_draft_is_not_written_yet_is_a_clear_page(desk: WebDesk) -> None:
    told = generate_case(8, lang="de", site="lung")
    waiting = put_case(desk.installation, told, drafted=False)
    token = desk.installation.addresses.token(waiting)
    answer = desk.http.get(f"/review/{waiting}?launch={token}", headers=HTML, follow_redirects=True)
    assert answer.status_code == 404
    assert "noch nicht geschrieben" in answer.text
    assert told.family not in answer.text


def test_a_signed_letter_shows_its_signer_and_text_and_no_forms(desk: WebDesk) -> None:
    text = desk.desk().review.text
    assert desk.sign().status_code == 303
    html = desk.page().text
    assert "Vidiert und freigegeben von Dr. Ada Muster" in html
    assert "Nachtrag" in html
    assert "<form" not in html
    assert text.split("\n")[0] in html
    assert desk.post("section/0", form_token=_token(desk), text="anders").status_code == 409
    assert desk.desk().review.text == text


def test_a_signed_letter_is_said_to_be_at_the_ehr_only_when_it_is(desk: WebDesk) -> None:
    desk.sign()
    assert "auf dem Weg ins KIS" in desk.page().text
    with desk.installation.store.read() as tx:
        final = next(step for step in tx.steps_of(desk.case_id) if step.name == "finalize")
    run_step(desk.installation.world, final.id)  # no EHR is set: the step is dead
    assert "Das KIS hat das fertige Dokument nicht angenommen" in desk.page().text


def test_a_discarded_draft_is_withdrawn_and_its_text_stays_readable_without_forms(desk: WebDesk) -> None:
    assert desk.post("discard").status_code == 303
    html = desk.page().text
    assert state(desk) is CaseState.WITHDRAWN
    assert "Der Entwurf wurde verworfen" in html
    assert "<form" not in html
    assert "Mammakarzinom" in html


def test_ones_own_letter_replaces_the_draft_and_is_checked_too(desk: WebDesk) -> None:
    assert desk.post("rewrite", text="  ").status_code == 400
    assert desk.post("rewrite", text="Liebe Kollegen,\r\n\r\ner erhielt 99 Gy.").status_code == 303
    assert desk.desk().review.text == "Liebe Kollegen,\n\ner erhielt 99 Gy."
    assert desk.desk().blocking


def test_a_case_held_by_an_operator_says_so_and_takes_no_changes(desk: WebDesk) -> None:
    with desk.installation.store.begin() as tx:
        tx.save_case(replace(tx.case(desk.case_id), state=CaseState.HELD, held_from=CaseState.IN_INBOX))
    html = desk.page().text
    assert "angehalten" in html
    assert "<form" not in html
    assert desk.post("discard", form_token=_token(desk)).status_code == 409


def test_who_opened_and_edited_stands_in_the_audit_trail_without_content(desk: WebDesk) -> None:
    desk.page("/source/patient.name")
    desk.plant_wrong_dose()
    with desk.installation.store.read() as tx:
        trail = tx.audit_trail()
    assert {"opened", "source_opened", "edited"} <= {entry.action for entry in trail}
    assert {entry.actor for entry in trail} == {"reviewer"}
    assert desk.told.family not in str(trail)


def _token(desk: WebDesk) -> str:
    from service.web.access import form_token

    return form_token(desk.installation.addresses.token(desk.case_id))
