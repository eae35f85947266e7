"""The message browser over HTTP: what came in, without a word about a patient."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from message_fixtures import PRIVATE, Browser, a_browser, adt

from service.errors import UnusableInput
from service.model import Event, StepState
from service.pipeline import run_step
from service.web.texts import TEXTS


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with a_browser(tmp_path) as browser:
        yield browser


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """For tests that only look: an admission, a refused message, a FHIR resource."""
    with a_browser(tmp_path_factory.mktemp("stocked")) as browser:
        browser.keep(adt("A01", "ADT-1"), "ADT-1")
        browser.keep(adt("Q99", "ADT-2"), "ADT-2", error_code="201")
        browser.keep(b"{}", "Encounter/9", channel="fhir")
        browser.work()
        yield browser


def rows(html: str) -> list[str]:
    """The control ids of the list, in its order."""
    table = html.partition('data-table="messages"')[2].partition("</table>")[0]
    return re.findall(r'<th scope="row"><a href="/messages/[0-9a-f]{32}">([^<]*)</a>', table)


def timeline(html: str, row: str) -> list[str]:
    """The words of the timeline's rows of one sort, without their tags."""
    found = re.findall(rf'<tr data-row="{row}".*?</tr>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in found]


def test_no_message_yet_is_said(browser: Browser) -> None:
    answer = browser.get("/messages")
    assert answer.status_code == 200
    assert "No message yet." in answer.text
    assert "Noch keine Nachricht." in browser.get("/messages", lang="de").text


def test_the_operations_page_leads_to_the_messages(browser: Browser) -> None:
    assert 'href="/messages"' in browser.get("/operations").text


def test_a_list_shows_the_newest_first_with_what_was_answered(browser: Browser) -> None:
    browser.keep(adt("A01", "M1"), "M1")
    browser.keep(adt("Q99", "M2"), "M2", error_code="201")
    browser.work()
    html = browser.get("/messages").text
    assert rows(html) == ["M2", "M1"]
    assert "refused" in html
    assert "<code>AR</code>" in html
    assert "<code>201</code>" in html
    assert "<td>ADT^A01</td>" in html


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("control_id=ADT-1", ["ADT-1"]),
        ("control_id=ADT", []),
        ("control_id=ADT*", ["ADT-2", "ADT-1"]),
        ("state=refused", ["ADT-2"]),
        ("state=understood&event=admit", ["ADT-1"]),
        ("channel=fhir", ["Encounter/9"]),
        ("since=2020-01-01T00:00", ["Encounter/9", "ADT-2", "ADT-1"]),
        ("until=2020-01-01T00:00", []),
        ("control_id=%3Cscript%3E", []),
    ],
)
def test_a_search_finds_what_it_asks_for_and_keeps_what_was_typed(
    stocked: Browser, query: str, found: list[str]
) -> None:
    html = stocked.get(f"/messages?{query}").text
    assert rows(html) == found
    assert "<script>" not in html
    if query == "control_id=ADT":
        assert 'value="ADT"' in html
        assert 'href="/messages?control_id=ADT%2A"' in html
        assert "never reached this listener" in html


@pytest.mark.parametrize("query", ["state=lost", "event=a03", "channel=smtp", "since=yesterday"])
def test_a_filter_that_means_nothing_is_refused_with_what_it_may_be(stocked: Browser, query: str) -> None:
    answer = stocked.get(f"/messages?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.text


def test_pages_lead_to_the_oldest_message_and_back_with_the_same_filter(browser: Browser) -> None:
    for number in range(120):
        browser.keep(adt("Q99", f"P{number:03}"), f"P{number:03}", error_code="201")
    browser.keep(adt("A01", "other"), "other")
    pages = [browser.get("/messages?control_id=P*").text]
    while link := re.search(r'rel="next" href="([^"]+)"', pages[-1]):
        pages.append(browser.get(link[1].replace("&amp;", "&")).text)
    assert [len(rows(page)) for page in pages] == [50, 50, 20]
    assert [each for page in pages for each in rows(page)] == [f"P{number:03}" for number in reversed(range(120))]
    assert 'rel="prev"' not in pages[0]
    back = re.search(r'rel="prev" href="([^"]+)"', pages[2])
    assert back
    middle = browser.get(back[1].replace("&amp;", "&")).text
    assert rows(middle) == rows(pages[1])
    first = re.search(r'rel="prev" href="([^"]+)"', middle)
    assert first
    assert rows(browser.get(first[1].replace("&amp;", "&")).text) == rows(pages[0])


def test_the_picture_of_the_day_says_the_same_as_its_table(browser: Browser) -> None:
    for number in range(3):
        browser.keep(adt("A01", f"M{number}"), f"M{number}")
    browser.keep(adt("Q99", "bad"), "bad", error_code="201")
    html = browser.get("/messages").text
    assert html.count('<rect class="taken"') == 24
    assert html.count('<rect class="refused"') == 1
    assert "at most 4 an hour" in html
    last = html.partition("<details>")[2].partition("</table>")[0].rpartition("<tr>")[2]
    assert re.findall(r"<td>(\d+)</td>", last) == ["4", "1"]
    assert "style=" not in html  # the policy of the pages forbids it


def test_a_message_tells_its_arrival_answer_reading_and_meaning(browser: Browser) -> None:
    message_id = browser.keep(adt("A03", "M1"), "M1")
    browser.work()
    html = browser.get(f"/messages/{message_id}").text
    assert "KIS|ONK" in timeline(html, "received")[0]
    assert timeline(html, "answer") == ["Answer AA"]
    assert "read the message done" in timeline(html, "step")[0]
    with browser.installation.store.read() as tx:
        case_id = tx.listed_message(message_id).case_id
    assert case_id
    (meaning,) = timeline(html, "meaning")
    assert "discharge" in meaning
    assert case_id in meaning
    assert f'href="/messages?case_id={case_id}"' in html
    assert rows(browser.get(f"/messages?case_id={case_id}").text) == ["M1"]


def test_a_refused_message_says_what_the_sender_was_told_and_whether_today_is_better(browser: Browser) -> None:
    mended = browser.keep(adt("A03", "M1"), "M1", error_code="201")
    html = browser.get(f"/messages/{mended}").text
    assert "AR 201 The event code is not supported." in timeline(html, "answer")[0]
    assert "It would be taken" in timeline(html, "today")[0]

    hopeless = browser.keep(adt("Q99", "M2"), "M2", error_code="201")
    today = timeline(browser.get(f"/messages/{hopeless}").text, "today")[0]
    assert "It would be refused: 201 MSH-9" in today


def test_a_reading_that_died_shows_its_error_and_the_command_that_mends_it(browser: Browser) -> None:
    message_id = browser.keep(adt("A01", "M1"), "M1")
    with browser.installation.store.read() as tx:
        (step,) = tx.steps_about(message_id)

    def broken(_: bytes) -> None:
        raise UnusableInput("PID is not readable", remedy="Report it.")

    run_step(replace(browser.installation.world, reader=broken), step.id)  # type: ignore[arg-type]  # the fault
    html = browser.get(f"/messages/{message_id}").text
    assert "unusable_input" in timeline(html, "step")[0]
    assert "Report it." in timeline(html, "step")[0]
    assert f"epikrise message replay {message_id}" in html
    assert rows(browser.get("/messages?state=dead").text) == ["M1"]


def test_what_the_reading_warns_of_is_told(browser: Browser) -> None:
    message_id = browser.keep(adt("A03", "M1", visit=""), "M1")
    browser.work()
    warnings = timeline(browser.get(f"/messages/{message_id}").text, "warning")
    assert any("PV1-19" in each for each in warnings)


def test_other_messages_with_the_same_control_id_are_one_click_away(browser: Browser) -> None:
    first = browser.keep(adt("A01", "M1"), "M1")
    second = browser.keep(adt("A08", "M1"), "M1")
    browser.keep(adt("A08", "M2"), "M2")
    html = browser.get(f"/messages/{first}").text
    assert f'href="/messages/{second}"' in html
    assert "None." in browser.get(f"/messages/{browser.keep(adt('A08', 'M3'), 'M3')}").text


@pytest.mark.parametrize("message_id", ["0" * 32, "nothing", "..%2F..%2Fetc"])
def test_a_message_that_is_not_there_is_said_so(stocked: Browser, message_id: str) -> None:
    answer = stocked.get(f"/messages/{message_id}")
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_by_default_no_page_tells_of_a_patient(browser: Browser) -> None:
    ids = [
        browser.keep(adt("A01", "M1"), "M1"),
        browser.keep(adt("A03", "M2", visit=""), "M2"),
        browser.keep(adt("Q99", "M3"), "M3", error_code="201"),
        browser.keep(b"Beispielmann Bertaline, no MSH", "", error_code="no_msh"),
        browser.keep(b'{"resourceType":"Patient","name":[{"family":"Beispielmann"}]}', "Patient/1", channel="fhir"),
    ]
    browser.work()
    for path in ["/messages", "/messages?state=refused", *(f"/messages/{each}" for each in ids)]:
        for lang in ("de", "en"):
            html = browser.get(path, lang).text
            assert [each for each in PRIVATE if each in html] == [], path


def test_what_a_sender_wrote_into_its_header_is_shown_as_text(browser: Browser) -> None:
    message_id = browser.keep(adt("A01", "M1"), "<img src=x>")
    for path in ("/messages", f"/messages/{message_id}"):
        html = browser.get(path).text
        assert "<img" not in html
        assert "&lt;img src=x&gt;" in html


def test_every_event_state_and_answer_has_a_name() -> None:
    names = {f"event_{event.value}" for event in Event} | {f"m_step_{state.value}" for state in StepState}
    names |= {f"m_error_{code}" for code in ("100", "101", "200", "201", "202", "203", "207", "no_msh", "truncated")}
    assert names <= TEXTS["de"].keys()
