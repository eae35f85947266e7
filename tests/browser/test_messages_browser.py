"""Three in the morning: a control id is looked up, its message opened by name, and read again, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import NONE, find_chromium, headless
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.skipif(find_chromium() is None, reason=NONE)]

from accessible import faults_of  # noqa: E402 - chromium makes the helpers known
from message_fixtures import PRIVATE, TOKEN, a_browser, adt  # noqa: E402
from message_fixtures import Browser as Messages  # noqa: E402


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with headless() as browser:
        yield browser


@pytest.fixture
def messages(tmp_path: Path) -> Iterator[Messages]:
    with a_browser(tmp_path) as messages:
        for number in range(60):
            messages.keep(adt("A08", f"KIS-{number:03}", minute=number), f"KIS-{number:03}", waits=False)
        messages.keep(adt("A03", "KIS-4711"), "KIS-4711", error_code="201")
        yield messages


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """German, 1440 wide; fails the test where the policy of the pages had something to forbid."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="de-DE")
    context.set_default_timeout(30_000)
    expect.set_options(timeout=20_000)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if "Content Security Policy" in told.text else None)
    yield page
    context.close()
    assert faults == []


def log_in(page: Page) -> None:
    page.get_by_label("Ihr Name").fill("Ina Technik")
    page.get_by_label("Inhalts-Token").fill(TOKEN)
    page.get_by_role("button", name="Für 15 Minuten anmelden").click()
    expect(page.get_by_text("Angemeldet: Ina Technik")).to_be_visible()


def test_a_control_id_leads_to_its_message_its_content_and_a_second_reading(page: Page, messages: Messages) -> None:
    page.goto(f"{messages.root}/operations")
    page.get_by_role("link", name="Nachrichten").click()
    page.get_by_label("Kontroll-ID (MSH-10)").fill("KIS-4711")
    page.keyboard.press("Enter")
    expect(page.locator('[data-table="messages"] tbody tr')).to_have_count(1)
    page.get_by_role("link", name="KIS-4711").click()
    expect(page.locator('[data-row="answer"]')).to_contain_text("Der Ereigniscode wird nicht unterstützt.")
    expect(page.locator('[data-row="today"]')).to_contain_text("Sie würde angenommen")
    assert [each for each in PRIVATE if each in page.content()] == []

    log_in(page)
    page.get_by_role("button", name="Inhalt öffnen").click()
    pid = page.locator('[data-segment="PID"]')
    expect(pid).to_contain_text("Beispielmann^Bertaline")
    expect(pid).to_contain_text("Patient name")
    assert [each.action for each in messages.trail()][-1] == "message_opened"

    page.get_by_role("button", name="Neu lesen").click()
    expect(page.get_by_role("status")).to_contain_text("1 von 1")
    messages.work()
    page.locator('[data-table="replayed"] a').click()
    expect(page.locator('[data-row="meaning"]')).to_contain_text("Entlassung, Fall")


def test_wrong_tokens_are_told_beside_the_form_and_the_old_pages_are_a_click_away(
    page: Page, messages: Messages
) -> None:
    page.goto(f"{messages.root}/messages")
    page.get_by_label("Ihr Name").fill("Ina Technik")
    page.get_by_label("Inhalts-Token").fill("falsch")
    page.get_by_role("button", name="Für 15 Minuten anmelden").click()
    expect(page.get_by_role("alert")).to_contain_text("Das Token passt nicht")
    page.goto(f"{messages.root}/messages")
    page.get_by_role("link", name="Ältere").click()
    expect(page.get_by_role("link", name="KIS-000")).to_be_visible()
    page.get_by_role("link", name="Neuere").click()
    expect(page.get_by_role("link", name="KIS-4711")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_of_the_browser_can_be_used_by_everybody(browser: Browser, messages: Messages, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, locale="de-DE")
    page = context.new_page()
    refused = messages.get("/messages?control_id=KIS-4711").text.partition('data-message="')[2][:32]
    faults: dict[str, list[str]] = {}
    for path in ("/messages", "/messages?control_id=nothing", f"/messages/{refused}"):
        page.goto(messages.root + path)
        faults[path] = faults_of(page)
    log_in(page)
    page.get_by_role("button", name="Inhalt öffnen").click()
    expect(page.locator('[data-segment="PID"]')).to_be_visible()
    faults["content"] = faults_of(page)
    page.goto(f"{messages.root}/messages")
    faults["chosen"] = faults_of(page)
    page.locator("summary").click()
    faults["figures"] = faults_of(page)
    page.locator('input[name="message_id"]').first.check()
    page.get_by_role("button", name="Ausgewählte Nachrichten neu lesen").click()
    faults["replayed"] = faults_of(page)
    context.close()
    assert {place: found for place, found in faults.items() if found} == {}


def test_the_check_would_have_seen_it(page: Page) -> None:
    page.set_content(
        "<style>p { color: #aaa; background: #fff }</style><h1>A</h1><h3>B</h3><input id='x'><button></button>"
        "<svg></svg><p>pale</p><table><tr><th>C</th></tr></table><b id='x'>D</b>"
    )
    rules = {fault[:5] for fault in faults_of(page)}
    assert rules >= {"3.1.1", "2.4.2", "1.3.1", "4.1.1", "4.1.2", "1.1.1", "1.4.3"}


def test_the_whole_way_is_open_to_the_keyboard(page: Page, messages: Messages) -> None:
    page.goto(f"{messages.root}/messages")
    reached = []
    for _ in range(30):  # a date has a stop for each of its parts
        page.keyboard.press("Tab")
        style = page.evaluate(
            "(() => { const e = document.activeElement; const s = getComputedStyle(e);"
            " return [e.id || e.textContent.trim().slice(0, 20), s.outlineStyle, parseFloat(s.outlineWidth)] })()"
        )
        assert style[1] != "none", style
        assert style[2] >= 1, style
        reached.append(style[0])
    assert {"control-id", "state", "event", "channel", "since", "until", "case"} <= set(reached)
    assert any(each.startswith("KIS-") for each in reached)
