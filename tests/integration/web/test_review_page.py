"""What the review page shows, read as HTML."""

import copy
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from desk_fixtures import HTML, WebDesk, a_desk

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[WebDesk]:
    with a_desk(tmp_path) as desk:
        yield desk


class Page(HTMLParser):
    """Elements with their attributes, and what text they hold."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def every_page(desk: WebDesk) -> list[str]:
    clean = desk.page().text
    desk.plant_wrong_dose()
    flawed = desk.page().text
    refused = desk.sign().text
    source = desk.page("/source/course.1.volume.1.dose").text
    missing = desk.page("/source/nothing.here").text
    operations = desk.http.get("/operations", headers=HTML).text
    conflict = desk.post("section/0", revision="0", text="x").text
    desk.post("discard")
    return [clean, flawed, refused, source, missing, operations, conflict, desk.page().text]


def test_the_right_patient_is_recognised_at_the_top(desk: WebDesk) -> None:
    banner = desk.page().text.partition("<header")[2].partition("</header>")[0]
    assert f"{desk.told.family}, {desk.told.given}" in banner
    assert desk.told.birth_date.strftime("%d.%m.%Y") in banner
    assert desk.told.mrn in banner


def test_the_draft_is_labelled_as_ai_with_its_model_version(desk: WebDesk) -> None:
    html = desk.page().text
    assert "KI-Entwurf" in html
    assert "Grundmodell bbbbbbbb · LoRA-Adapter cccccccc · Prompt dddddddd" in html


def test_a_finding_stands_in_the_checklist_and_again_under_the_section_it_concerns(desk: WebDesk) -> None:
    wrong = desk.plant_wrong_dose()
    html = desk.page().text
    number = desk.section_with(wrong)
    section = html.partition(f'id="section-{number}"')[2].partition('id="section-')[0]
    assert section.count('data-severity="block"') == 2
    assert "Wert der Akte einsetzen:" in section
    checklist = html.partition('id="checklist"')[2].partition('id="letter"')[0]
    target = re.search(r'class="entry block" href="#(at-[0-9a-f]{16})"', checklist)
    assert target is not None
    assert f'id="{target[1]}"' in section


def test_contradicted_unsupported_and_omitted_always_have_their_place_with_a_count(desk: WebDesk) -> None:
    html = desk.page().text
    for kind in ("contradicted", "unsupported", "omitted"):
        heading = html.partition(f'<h3 id="panel-{kind}">')[2].partition("</h3>")[0]
        assert '<span class="count">0</span>' in heading
    number = desk.section_with("Termine")
    desk.post(f"section/{number}", text="")
    omitted = desk.page().text.partition('<h3 id="panel-omitted">')[2].partition("</section>")[0]
    assert '<span class="count">2</span>' in omitted
    assert omitted.count('data-kind="omitted"') == 2
    assert "Termin 1: Datum" in omitted


def test_a_fact_of_less_weight_that_is_missing_is_told_as_a_note(desk: WebDesk) -> None:
    number = desk.section_with("Nebendiagnosen")
    assert desk.post(f"section/{number}", text="").status_code == 303
    answer = desk.page()
    assert answer.status_code == 200
    notes = answer.text.partition('class="minor"')[2].partition("</details>")[0]
    assert "Nebendiagnose 1: Bezeichnung" in notes
    assert "Diabetes mellitus Typ 2" in notes


def test_the_page_promises_support_and_never_correctness(desk: WebDesk) -> None:
    words = " ".join(Page(desk.page().text).text).replace("heißt nicht „richtig“", "")
    assert "durch die Akte gestützt" in words
    assert not re.search(r"richtig|korrekt|fehlerfrei", words)


def test_evidence_carries_readable_labels_and_says_what_the_letter_states(desk: WebDesk) -> None:
    html = desk.page().text
    dose = html.partition('id="fact-course-1-volume-1-dose"')[2].partition("</dd>")[0]
    assert "<dt>Dosis</dt>" in dose
    assert "15 Gy" in dose
    assert "im Brief" in dose
    number = html.partition('id="fact-visit-number"')[2].partition("</dd>")[0]
    assert "nicht im Brief" in number
    shown = [text for text in Page(html).text if re.search(r"\b(course|patient|visit|diagnosis)\.[\w.]+", text)]
    assert shown == []  # handles are for machines


def test_every_fact_and_every_supported_value_leads_to_a_source(desk: WebDesk) -> None:
    page = Page(desk.page().text)
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    targets = [a["href"][1:] for a in page.all("a") if a.get("class") == "supported"]
    assert len(targets) > 50
    assert set(targets) <= anchors
    for link in [a["href"] for a in page.all("a") if "data-source" in a]:
        answer = desk.http.get(link, headers=HTML)
        assert answer.status_code == 200, link
        assert "<mark>" in answer.text, link


def test_a_source_shows_the_resource_with_the_bearing_place_marked(desk: WebDesk) -> None:
    html = desk.page("/source/course.1.volume.1.dose").text
    excerpt = html.partition('<dl class="lines">')[2].partition("</dl>")[0]
    assert "<dt>value</dt><dd><mark>15</mark></dd>" in excerpt
    assert "Mamma links" in excerpt  # whose dose it is
    assert "Serie 1, Volumen 1: Dosis" in html
    part = desk.page("/source/course.1.volume.1.dose?part=1").text
    assert "<html" not in part
    assert "<mark>15</mark>" in part


def test_a_handle_the_chart_lacks_opens_no_window_into_the_store(desk: WebDesk) -> None:
    for handle in ("course.9.start", "patient", "Patient%2F1"):
        assert desk.page(f"/source/{handle}").status_code in (303, 404), handle


def test_the_difference_is_told_word_by_word_before_the_signature(desk: WebDesk) -> None:
    assert "Wort für Wort der Entwurf der KI" in desk.page().text
    desk.plant_wrong_dose()
    told = desk.page().text.partition('class="difference"')[2].partition("</ul>")[0]
    gone = re.sub(r"<span.*?</span>", "", told.partition("<del>")[2].partition("</del>")[0])
    new = re.sub(r"<span.*?</span>", "", told.partition("<ins>")[2].partition("</ins>")[0])
    assert (gone, new) == ("15", "99")
    assert "Mamma links" in told


def test_the_pages_language_is_the_readers_and_the_letters_its_own(desk: WebDesk) -> None:
    html = desk.page(**{"Accept-Language": "fr, en;q=0.8"}).text
    assert '<html lang="en">' in html
    assert "Review and sign the draft" in html
    assert '<div class="prose" lang="de">' in html
    assert "born <b>10 November 1968</b>" in html
    chosen = desk.page("?ui=de", **{"Accept-Language": "en"})
    assert '<html lang="de">' in chosen.text
    assert '<html lang="de">' in desk.page(**{"Accept-Language": "en"}).text  # remembered


def test_nothing_inline_stands_in_any_page_and_the_policy_forbids_it(desk: WebDesk) -> None:
    policy = desk.page().headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    for html in every_page(desk):
        page = Page(html)
        for tag, attributes in page.elements:
            assert "style" not in attributes, tag
            assert not [name for name in attributes if name.startswith("on")], tag
        assert all("src" in script for script in page.all("script"))
        assert page.all("style") == []


def test_static_files_and_errors_carry_the_same_headers(desk: WebDesk) -> None:
    for path in ("/static/review.css", "/static/none.css", "/nowhere", "/healthz"):
        headers = desk.http.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_every_page_has_labels_one_h1_ordered_headings_and_unique_ids(desk: WebDesk) -> None:
    for html in every_page(desk):
        page = Page(html)
        labelled = {label["for"] for label in page.all("label")}
        for field in page.all("input", "textarea"):
            assert field.get("type") == "hidden" or field["id"] in labelled
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert page.all("html")[0]["lang"] == "de"
        assert len(page.all("main")) == 1
        assert all(link.get("href") for link in page.all("a"))


def test_no_address_on_the_page_names_the_patient(desk: WebDesk) -> None:
    for html in every_page(desk):
        addresses = [e.get("href", "") + e.get("action", "") + e.get("src", "") for _, e in Page(html).elements]
        for private in (desk.told.family, desk.told.given, desk.told.mrn, desk.told.birth_date.isoformat()):
            assert not [address for address in addresses if private in address]


def test_what_the_chart_says_cannot_run(tmp_path: Path) -> None:
    from workers.training.synthetic import generate_case

    bundle = copy.deepcopy(generate_case(7, lang="de", site="breast").bundle)
    for entry in bundle["entry"]:
        _poison(entry["resource"])
    with a_desk(tmp_path, bundle=bundle) as desk:
        answer = desk.page()
        source = desk.page("/source/allergy.1.name").text
    assert "&lt;script&gt;" in answer.text
    for html in (answer.text, source):
        assert "alert(" in html
        assert "<script>" not in html
        assert "<img" not in html


def _poison(resource: dict[str, Any]) -> None:
    if resource["resourceType"] == "AllergyIntolerance":
        resource["code"]["text"] = HOSTILE
    if resource["resourceType"] == "Patient":
        resource["name"][0]["family"] = f'Muster"{HOSTILE}'


def test_a_reload_where_a_form_was_sent_leads_back_to_the_page(desk: WebDesk) -> None:
    answer = desk.page("/sign")
    assert answer.status_code == 303
    assert answer.headers["Location"] == desk.path
