"""What messages say: for those with the token, by name, for a while, and on record."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from desk_fixtures import HTML
from message_fixtures import PRIVATE, TOKEN, Browser, a_browser, adt

from service.model import CaseState
from service.web.message_content import read_content
from service.web.operator import Throttle

NAME = "Ina Technik"


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Browser]:
    """A service of its own, for who tries wrong tokens."""
    with a_browser(tmp_path) as browser:
        yield browser


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with a_browser(tmp_path_factory.mktemp("service")) as browser:
        yield browser


@pytest.fixture
def browser(service: Browser) -> Iterator[Browser]:
    """A person who has just come, before the service that all tests share."""
    with httpx.Client(base_url=service.root, timeout=20, trust_env=False) as http:
        yield service.anew(http)


def cells(html: str, segment: str) -> dict[str, str]:
    """Field to what was sent, of one segment's table."""
    table = html.partition(f'data-segment="{segment}"')[2].partition("</table>")[0]
    found = {}
    for row in table.split('<tr><th scope="row">')[1:]:
        found[row.partition("<")[0]] = row.partition('class="sent">')[2].partition("</td>")[0]
    return found


def test_content_is_shown_to_who_logged_in_and_is_on_record_by_then(browser: Browser) -> None:
    message_id = browser.keep(adt("A01", "M1"), "M1")
    browser.work()
    answer = browser.log_in(message_id=message_id)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/messages/{message_id}#content")
    html = browser.get(f"/messages/{message_id}").text
    assert NAME in html
    assert [each for each in PRIVATE if each in html] == []  # to log in is not to open

    opened = browser.post(f"/messages/{message_id}/content")

    assert opened.status_code == 200
    assert opened.headers["Cache-Control"] == "no-store"
    pid = cells(opened.text, "PID")
    assert pid["PID-5"] == "Beispielmann^Bertaline^^^Frau \\T\\ Dr."  # escapes as sent
    assert "Patient name" in opened.text
    assert cells(opened.text, "ZBE")["ZBE-1"] == "1^KIS"
    assert "utf-8" in opened.text
    with browser.installation.store.read() as tx:
        case_id = tx.listed_message(message_id).case_id
    entries = [entry for entry in browser.trail() if entry.action.startswith(("message", "operator"))]
    assert [(each.actor, each.action, each.case_id, each.detail) for each in entries] == [
        (NAME, "operator_logged_in", None, ""),
        (NAME, "message_opened", case_id, message_id),
    ]


def test_each_sight_of_content_is_an_entry_of_its_own(browser: Browser) -> None:
    message_id = browser.keep(adt("A01", "M1"), "M1")
    browser.log_in()
    for _ in range(2):
        browser.post(f"/messages/{message_id}/content")
    assert [entry.action for entry in browser.trail()].count("message_opened") == 2


def test_content_has_no_address_of_its_own(browser: Browser) -> None:
    message_id = browser.keep(adt("A01", "M1"), "M1")
    browser.log_in()
    answer = browser.get(f"/messages/{message_id}/content")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/messages/{message_id}")


def test_without_a_login_nothing_is_opened(browser: Browser) -> None:
    message_id = browser.keep(adt("A01", "M1"), "M1")
    answer = browser.post(f"/messages/{message_id}/content")
    assert answer.status_code == 403
    assert "Log in first." in answer.text
    assert [each for each in PRIVATE if each in answer.text] == []
    assert browser.trail() == []


def test_where_no_token_is_set_nobody_may(tmp_path: Path) -> None:
    with a_browser(tmp_path, host="127.0.0.1") as browser:
        message_id = browser.keep(adt("A01", "M1"), "M1")
        html = browser.get(f"/messages/{message_id}").text
        assert "web.content_token is not set" in html
        assert 'action="/messages/login"' not in html
        assert browser.log_in(token="").status_code == 403
        assert browser.post(f"/messages/{message_id}/content").status_code == 403


def test_a_wrong_token_is_refused_on_record_and_without_what_was_typed(
    locked: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = locked.log_in(name=TOKEN, token="not this one")
    assert answer.status_code == 403
    assert "The token does not fit." in answer.text
    assert "operator=" not in answer.headers.get("set-cookie", "")
    assert [(entry.actor, entry.action) for entry in locked.trail()] == [("unknown", "operator_refused")]
    assert TOKEN not in caplog.text + answer.text
    assert "not this one" not in caplog.text + answer.text


def test_after_five_wrong_tokens_even_the_right_one_has_to_wait(locked: Browser) -> None:
    for _ in range(5):
        assert locked.log_in(token="wrong").status_code == 403
    answer = locked.log_in()
    assert answer.status_code == 429
    assert "Wait five minutes" in answer.text
    assert len(locked.trail()) == 5


def test_a_login_needs_a_name(browser: Browser) -> None:
    answer = browser.log_in(name=" ")
    assert answer.status_code == 403
    assert "Give your name" in answer.text
    assert "operator=" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("form_token", ["", "0" * 40])
@pytest.mark.parametrize("path", ["login", "logout", "replay", "{}/content"])
def test_a_form_of_another_site_does_nothing(browser: Browser, path: str, form_token: str) -> None:
    message_id = browser.keep(adt("A01", "M1"), "M1")
    browser.log_in()
    before = browser.trail()
    answer = browser.post(
        f"/messages/{path.format(message_id)}",
        form_token=form_token,
        name=NAME,
        content_token=TOKEN,
        message_id=message_id,
    )
    assert answer.status_code == 403
    assert [each for each in PRIVATE if each in answer.text] == []
    assert browser.trail() == before


def test_the_token_of_one_browsers_form_does_not_fit_anothers(browser: Browser) -> None:
    message_id = browser.keep(adt("A01", "M1"), "M1")
    browser.log_in()
    with httpx.Client(base_url=browser.root, trust_env=False) as stranger:
        html = stranger.get("/messages", headers={"Accept": "text/html"}).text
        theirs = html.partition('name="form_token" value="')[2].partition('"')[0]
    assert browser.post(f"/messages/{message_id}/content", form_token=theirs).status_code == 403


def test_the_session_cookie_is_out_of_reach_for_scripts_and_other_sites(browser: Browser) -> None:
    cookie = browser.log_in().headers["set-cookie"]
    assert cookie.startswith("operator=")
    for part in ("HttpOnly", "SameSite=strict", "Path=/messages", "Max-Age=900"):
        assert part in cookie


@pytest.mark.parametrize("change", ["name", "until", "mac"])
def test_a_forged_session_opens_nothing(browser: Browser, change: str) -> None:
    message_id = browser.keep(adt("A01", change), change)
    browser.log_in()
    token = browser.form_token()
    name, until, mac = browser.http.cookies["operator"].split(".")
    parts = {"name": name, "until": until, "mac": mac}
    parts[change] = {"name": "Qm9zcw==", "until": "99999999999", "mac": "0" * 64}[change]
    seed = browser.http.cookies["operator_form"]
    browser.http.cookies.clear()
    cookies = {"Cookie": f"operator={'.'.join(parts.values())}; operator_form={seed}"}
    path, form = f"/messages/{message_id}/content", {"form_token": token}
    assert browser.http.post(path, data=form, headers={**HTML, **cookies}).status_code == 403
    cookies = {"Cookie": f"operator={name}.{until}.{mac}; operator_form={seed}"}
    assert browser.http.post(path, data=form, headers={**HTML, **cookies}).status_code == 200


def test_a_session_ends_after_a_quarter_of_an_hour_and_at_logout(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = browser.keep(adt("A01", "M1"), "M1")
    browser.log_in()
    assert browser.post("/messages/logout").status_code == 303
    assert "operator" not in browser.http.cookies
    browser.log_in()
    assert browser.post(f"/messages/{message_id}/content").status_code == 200
    later = browser.installation.world.clock() + timedelta(minutes=15)
    monkeypatch.setattr("service.web.operator._now", lambda _: later)
    assert browser.post(f"/messages/{message_id}/content").status_code == 403


def test_fhir_is_shown_as_json_and_what_is_neither_as_text(browser: Browser) -> None:
    browser.log_in()
    resource = {"resourceType": "Patient", "name": [{"family": "Beispielmann"}]}
    fhir = browser.keep(json.dumps(resource).encode(), "Patient/1", channel="fhir")
    html = browser.post(f"/messages/{fhir}/content").text
    assert "&#34;family&#34;: &#34;Beispielmann&#34;" in html
    junk = browser.keep(b"\xff<b>junk</b>", "", error_code="no_msh")
    html = browser.post(f"/messages/{junk}/content").text
    assert "\\xff&lt;b&gt;junk&lt;/b&gt;" in html


def test_json_of_a_thousand_levels_is_shown_as_it_came(browser: Browser) -> None:
    body = b'{"a":' * 1000 + b"1" + b"}" * 1000
    browser.log_in()
    message_id = browser.keep(body, "Patient/2", channel="fhir")
    answer = browser.post(f"/messages/{message_id}/content")
    assert answer.status_code == 200
    with browser.installation.store.begin() as tx:
        assert read_content(tx.message(message_id)).text == body.decode()


def test_content_in_latin_1_is_read_as_such_and_a_document_is_cut(browser: Browser) -> None:
    body = adt("A01", "M1").replace(b"UNICODE UTF-8", b"8859/1").replace(b"Beispielmann", "Größmann".encode("latin-1"))
    body += b"OBX|1|ED|DOC^Brief||^TEXT^^Base64^" + b"QUJD" * 5000 + b"\rOBX|2|ST|X||y\r"
    message_id = browser.keep(body, "M1")
    with browser.installation.store.begin() as tx:
        content = read_content(tx.message(message_id))
    assert content.charset == "iso8859-1"
    by_label = {segment.label: {field.place: field for field in segment.fields} for segment in content.segments}
    assert by_label["PID"]["PID-5"].value.startswith("Größmann^")
    assert by_label["OBX 1"]["OBX-5"].left_out > 15_000
    assert len(by_label["OBX 1"]["OBX-5"].value) < 5000
    assert by_label["OBX 2"]["OBX-5"].value == "y"
    assert by_label["OBX 1"]["OBX-2"].name == "Value type"


def test_a_message_is_read_again_by_who_logged_in(browser: Browser) -> None:
    refused = browser.keep(adt("A03", "M1"), "M1", error_code="201")
    hopeless = browser.keep(adt("Q99", "M2"), "M2", error_code="201")
    assert browser.post("/messages/replay", message_id=refused).status_code == 403
    browser.log_in()
    answer = browser.post("/messages/replay", message_id=[refused, hopeless, "no id"])
    assert answer.status_code == 200
    assert "1 of 2 are read again" in answer.text
    assert "201 at MSH-9" in answer.text
    browser.work()
    with browser.installation.store.read() as tx:
        message = tx.listed_message(refused)
        assert message.case_id
        assert tx.case(message.case_id).state is CaseState.DISCHARGED
    assert [(each.actor, each.detail) for each in browser.trail() if each.action == "message_replayed"] == [
        (NAME, refused)
    ]


def test_nothing_chosen_is_said(browser: Browser) -> None:
    browser.log_in()
    answer = browser.post("/messages/replay")
    assert answer.status_code == 400
    assert "No message was chosen." in answer.text


def test_a_throttle_forgets_after_its_window_and_bounds_its_memory() -> None:
    now = datetime(2026, 3, 12, tzinfo=UTC)
    throttle = Throttle(clock=lambda: now, most=2, window=timedelta(minutes=1))
    throttle.note_failure("a")
    assert not throttle.is_shut("a")
    throttle.note_failure("a")
    assert throttle.is_shut("a")
    assert not throttle.is_shut("b")
    now += timedelta(minutes=1)
    assert not throttle.is_shut("a")
    for number in range(3000):
        throttle.note_failure(str(number))
    assert throttle.is_shut("never seen")
    assert len(throttle._failures) <= 1001
