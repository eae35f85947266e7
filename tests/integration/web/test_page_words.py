"""The words and colours of the pages: complete in both languages, readable for everyone."""

import re
import string
from pathlib import Path

import pytest

import service.web
from service.chart.assemble import _LEAVES
from service.model import CaseState, DeliveryState, FindingKind, Severity
from service.pipeline import JOURNEY
from service.web.difference import changed_lines
from service.web.fields import field_label, full_label, in_words, take_apart
from service.web.source import locate
from service.web.texts import TEXTS

WEB = Path(service.web.__file__).parent
TEXT_ON_GROUND = [
    ("ink", "paper"), ("ink", "back"), ("ink", "support"), ("ink", "warn-ground"), ("ink", "block-ground"),
    ("ink", "mark"), ("quiet", "paper"), ("quiet", "back"), ("quiet", "warn-ground"), ("quiet", "block-ground"),
    ("quiet", "mark"), ("accent", "paper"), ("accent", "back"), ("accent", "warn-ground"), ("accent", "block-ground"),
    ("paper", "accent"), ("paper", "block"), ("block", "block-ground"), ("block", "paper"), ("warn", "warn-ground"),
    ("warn", "paper"), ("support-ink", "support"), ("support-ink", "paper"),
]  # fmt: skip


def colours() -> dict[str, str]:
    css = (WEB / "static" / "page.css").read_text(encoding="utf-8")
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css))


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("text", "ground"), TEXT_ON_GROUND)
def test_text_is_readable_on_its_ground(text: str, ground: str) -> None:
    assert contrast(colours()[text], colours()[ground]) >= 4.5


@pytest.mark.parametrize("line", ["accent", "quiet", "block", "support-line", "warn-line"])
def test_borders_that_mean_something_stand_out_from_paper(line: str) -> None:
    assert contrast(colours()[line], colours()["paper"]) >= 3


def test_focus_is_visible_and_never_taken_away() -> None:
    css = "".join(file.read_text(encoding="utf-8") for file in (WEB / "static").glob("*.css"))
    assert ":focus-visible { outline: 3px solid" in css
    assert "outline: none" not in css
    assert "outline: 0" not in css


def test_colours_are_named_once_and_used_by_name() -> None:
    review = (WEB / "static" / "review.css").read_text(encoding="utf-8")
    assert re.findall(r"#[0-9a-fA-F]{3,6}\b", review) == []


def test_both_languages_have_the_same_words_and_the_same_blanks() -> None:
    assert TEXTS["de"].keys() == TEXTS["en"].keys()
    for key in TEXTS["de"]:
        blanks = [{name for _, name, _, _ in string.Formatter().parse(TEXTS[lang][key])} for lang in ("de", "en")]
        assert blanks[0] == blanks[1], key


def test_every_word_that_a_template_asks_for_is_there() -> None:
    asked = set()
    for template in (WEB / "templates").glob("*.html"):
        html = template.read_text(encoding="utf-8")
        asked |= set(re.findall(r"\bt\.(\w+)", html))
    assert asked <= TEXTS["de"].keys()


def test_every_state_stage_and_finding_has_a_name() -> None:
    names = {
        *(f"state_{state.value}" for state in CaseState),
        *(f"delivery_{state.value}" for state in DeliveryState),
        *(f"stage_{stage.name}" for stage in JOURNEY),
        *(f"kind_{kind.value}" for kind in FindingKind),
        *(f"none_{kind.value}" for kind in FindingKind),
        *(severity.value for severity in Severity),
    }
    assert names <= TEXTS["en"].keys()


def test_every_field_of_a_chart_has_a_label_in_both_languages() -> None:
    for kind, leaves in _LEAVES.items():
        for leaf in filter(None, leaves):
            stem = {"volume": "course.1.volume.1"}.get(kind, f"{kind}.1")
            handle = f"{kind}.{leaf}" if kind in ("patient", "visit", "performance") else f"{stem}.{leaf}"
            for lang in TEXTS:
                assert field_label(handle, lang) != leaf or leaf in ("t", "n", "m"), handle


def test_a_handle_is_told_with_its_owner() -> None:
    assert full_label("course.1.volume.2.dose", "de") == "Serie 1, Volumen 2: Dosis"
    assert full_label("patient.birth_date", "en") == "Patient: Birth date"
    assert full_label("diagnosis.1.marker.2", "de") == "Diagnose 1, Marker 2"
    assert take_apart("course.1.volume.2.dose").stem == "course.1.volume.2"


def test_a_message_names_fields_instead_of_handles_and_leaves_other_words_alone() -> None:
    told = in_words("hier gemeint ist course.1.end: 02.02.2024, siehe www.example.org", ["course.1.end"], "de")
    assert told == "hier gemeint ist Serie 1: Ende: 02.02.2024, siehe www.example.org"


def test_the_difference_takes_a_value_as_one_word() -> None:
    (line,) = changed_lines("Gesamtdosis 50,4 Gy in 28 Fraktionen.", "Gesamtdosis 54,0 Gy in 28 Fraktionen.")
    assert [(run.sign, run.text) for run in line] == [
        ("same", "Gesamtdosis "),
        ("gone", "50,4"),
        ("new", "54,0"),
        ("same", " Gy in 28 Fraktionen."),
    ]


def test_the_difference_tells_lines_that_came_and_went_whole() -> None:
    lines = changed_lines("Eins\n\nZwei Worte\nDrei", "Eins\n\nDrei\nVier neue Worte")
    assert [[(run.sign, run.text) for run in line] for line in lines] == [
        [("gone", "Zwei Worte")],
        [("new", "Vier neue Worte")],
    ]
    assert changed_lines("gleich", "gleich") == ()


def test_every_word_of_both_texts_is_in_the_difference_or_unchanged() -> None:
    draft, text = "a b c\nd e f\ng h", "a x c\ny\nd e f\ng h z"
    runs = [run for line in changed_lines(draft, text) for run in line]
    assert [run.text.strip() for run in runs if run.sign == "gone"] == ["b"]
    assert sorted(run.text.strip() for run in runs if run.sign == "new") == ["x", "y", "z"]


def test_a_path_is_found_through_choices_lists_and_extensions() -> None:
    resource = {
        "resourceType": "Procedure",
        "performedPeriod": {"start": "2026-01-01"},
        "bodySite": [{"text": "eins"}, {"text": "zwei"}],
        "extension": [
            {"url": "a", "valueInteger": 1},
            {"url": "b", "valueInteger": 2},
            {"url": "b", "valueString": "3"},
        ],
    }
    assert locate(resource, "performed.start") == ("performedPeriod", "start")
    assert locate(resource, "bodySite[1].text") == ("bodySite", 1, "text")
    assert locate(resource, "extension('b')[1].value") == ("extension", 2, "valueString")
    assert locate(resource, "nothing.here") == ()
