"""A physician's four minutes: from the EHR's inbox to the final document, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import NONE, find_chromium, headless
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect
from ward import Ward, a_ward

from service.model import CaseState, DeliveryState
from service.signoff import open_desk
from workers.training.synthetic import generate_case

pytestmark = [pytest.mark.browser, pytest.mark.skipif(find_chromium() is None, reason=NONE)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with headless() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """German, 1440 wide; fails the test where a script failed or the policy had something to forbid."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="de-DE")
    context.set_default_timeout(30_000)
    expect.set_options(timeout=20_000)
    page = context.new_page()
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", note)
    yield page
    context.close()
    assert faults == []


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    with a_ward(tmp_path, generate_case(11, lang="de", site="breast")) as ward:
        yield ward


def open_review(page: Page, ward: Ward) -> None:
    page.goto(f"{ward.ehr}/inbox")
    page.get_by_role("link", name=re.compile("Prüfen und freigeben")).first.click()
    expect(page.locator("header.banner")).to_contain_text(ward.told.family)


def dose_of(ward: Ward) -> str:
    fact = open_desk(ward.installation.world, ward.case_id).chart.get("course.1.volume.1.dose")
    assert fact is not None
    return fact.display.de


def section_with(page: Page, words: str) -> Locator:
    return page.locator(".letter-section", has=page.locator(".prose", has_text=words)).first


def plant_wrong_dose(page: Page, right: str) -> None:
    section = section_with(page, right)
    section.locator("details.edit > summary").click()
    field = section.locator("textarea")
    field.fill(field.input_value().replace(right, "99 Gy", 1))
    field.press("Control+Enter")
    expect(page.locator(".steps .blocked")).to_be_visible()


def sign(page: Page) -> None:
    page.get_by_label("Ihr Name").fill("Dr. Ada Muster")
    page.get_by_label("Ich habe diesen Text ganz gelesen").check()
    page.get_by_role("button", name="Vidieren und freigeben").click()


def test_a_discharge_letter_is_reviewed_refused_mended_signed_and_final_in_the_ehr(page: Page, ward: Ward) -> None:
    right = dose_of(ward)
    open_review(page, ward)
    assert "launch=" not in page.url

    plant_wrong_dose(page, right)
    sign(page)
    refusal = page.locator("#refusal")
    expect(refusal).to_be_focused()
    expect(refusal).to_contain_text("Die Freigabe ist gesperrt")
    with ward.installation.store.read() as tx:
        assert tx.signature(ward.case_id) is None

    refusal.get_by_role("link").first.click()
    expect(section_with(page, "99 Gy").locator(".finding.block").first).to_be_in_viewport()
    page.get_by_role("button", name=re.compile(f"Wert der Akte einsetzen: {right}")).first.click()
    expect(page.locator(".steps .free")).to_be_visible()
    expect(page.locator("#sign")).to_contain_text("Niemand hat etwas geändert")

    sign(page)
    expect(page.locator("#signed")).to_contain_text("Vidiert und freigegeben von Dr. Ada Muster")
    expect(page.locator("form")).to_have_count(0)
    ward.work()
    page.reload()
    expect(page.locator("#signed")).to_contain_text("Das KIS hat das fertige Dokument")

    page.goto(f"{ward.ehr}/inbox?all=1")
    expect(page.locator("body")).to_contain_text("erledigt")
    page.get_by_role("link", name=re.compile("Dokument|Brief|Öffnen|Anzeigen")).first.click()
    expect(page.locator(".label.final")).to_be_visible()
    expect(page.locator("body")).to_contain_text("Freigegeben von Dr. Ada Muster")
    expect(page.locator("body")).to_contain_text(right)
    with ward.installation.store.read() as tx:
        case = tx.case(ward.case_id)
    assert (case.state, case.delivery) == (CaseState.SIGNED, DeliveryState.CONFIRMED)


def test_a_value_leads_to_its_evidence_and_the_evidence_to_its_source_on_the_same_page(page: Page, ward: Ward) -> None:
    right = dose_of(ward)
    assert right == "50,4 Gy"
    open_review(page, ward)
    page.locator(".prose a.supported", has_text=right).first.click()
    fact = page.locator("#fact-course-1-volume-1-dose")
    expect(fact).to_be_in_viewport()
    fact.locator("a[data-source]").click()
    expect(fact.locator(".sources .marked").first).to_contain_text("5040")  # the EHR has it in cGy
    fact.locator("a[data-source]").click()
    expect(fact.locator(".sources")).to_have_count(0)
    fact.get_by_role("link", name="im Brief").click()
    expect(page.locator("#in-letter-fact-course-1-volume-1-dose")).to_be_in_viewport()


def test_a_discarded_draft_leaves_the_inbox(page: Page, ward: Ward) -> None:
    open_review(page, ward)
    page.get_by_text("Entwurf verwerfen", exact=True).click()
    page.get_by_role("button", name="Entwurf endgültig verwerfen").click()
    expect(page.locator("#withdrawn")).to_be_visible()
    expect(page.locator("form")).to_have_count(0)
    ward.work()
    page.goto(f"{ward.ehr}/inbox")
    expect(page.locator("body")).to_contain_text("Keine offenen Aufgaben")


def test_what_is_dictated_or_typed_without_a_modifier_triggers_nothing(page: Page, ward: Ward) -> None:
    open_review(page, ward)
    before = page.url
    page.keyboard.type("budiktat\n")  # no blanks: those scroll any page
    assert (page.evaluate("scrollY"), page.url) == (0, before)
    page.keyboard.press("Alt+u")
    expect(page.locator("#sign-heading")).to_be_focused()
    page.keyboard.press("Alt+b")
    expect(page.locator("#checklist-heading")).to_be_focused()


def test_the_page_works_on_a_phone_without_sideways_scrolling(browser: Browser, ward: Ward) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="de-DE")
    page = context.new_page()
    open_review(page, ward)
    plant_wrong_dose(page, dose_of(ward))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator(".steps .blocked")).to_be_in_viewport()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(".patient")).to_be_in_viewport()  # the right patient is in sight at the signature
    expect(page.locator(".steps .blocked")).to_be_in_viewport()
    context.close()


def test_focus_is_seen_on_everything_that_can_be_reached_by_tab(page: Page, ward: Ward) -> None:
    open_review(page, ward)
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        style = page.evaluate(
            "(() => { const e = document.activeElement; const s = getComputedStyle(e);"
            " return [e.tagName, e.textContent.trim().slice(0, 20), s.outlineStyle, parseFloat(s.outlineWidth)] })()"
        )
        assert style[2] != "none", style
        assert style[3] >= 1, style
        seen.add(style[1])
    assert len(seen) > 6
    skip = page.evaluate("document.querySelector('.skip').getAttribute('href')")
    assert skip == "#main"


def test_without_script_the_forms_work_all_the_same(browser: Browser, ward: Ward) -> None:
    context = browser.new_context(java_script_enabled=False, locale="de-DE")
    page = context.new_page()
    open_review(page, ward)
    right = dose_of(ward)
    section = section_with(page, right)
    section.locator("details.edit > summary").click()
    field = section.locator("textarea")
    field.fill(field.input_value().replace(right, "99 Gy", 1))
    section.get_by_role("button", name="Speichern").click()
    expect(page.locator(".steps .blocked")).to_be_visible()
    page.locator(".finding.block a[data-source]").first.click()
    expect(page.locator("mark").first).to_be_visible()
    context.close()
