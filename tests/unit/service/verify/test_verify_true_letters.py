"""True letters, typed by hand in several styles, raise next to no alarm."""

import textwrap
import time

import pytest
import verify_charts
import verify_letters

from service.model import Chart, FindingKind, Severity, Verification
from service.verify import verify

LETTERS = {name: getattr(verify_letters, name) for name in dir(verify_letters) if name.isupper()}


def chart_of(name: str) -> Chart:
    chart: Chart = getattr(verify_charts, name.split("_", maxsplit=1)[0].lower())()
    return chart


def told(result: Verification) -> list[str]:
    return [
        f"{f.severity} {f.kind} {f.type} {f.text!r} {f.chart.handle if f.chart else ''}"
        for f in result.findings
        if f.severity is not Severity.INFO
    ]


@pytest.mark.parametrize("name", LETTERS)
def test_a_true_letter_is_neither_blocked_nor_flagged(name: str) -> None:
    result = verify(LETTERS[name], chart_of(name))

    assert told(result) == []
    assert result.verdict == "clean"


@pytest.mark.parametrize("name", LETTERS)
@pytest.mark.parametrize("width", [60, 72, 90])
def test_hard_line_breaks_change_nothing(name: str, width: int) -> None:
    lines = [textwrap.wrap(line, width, break_on_hyphens=False) or [""] for line in LETTERS[name].split("\n")]

    assert told(verify("\n".join(part for parts in lines for part in parts), chart_of(name))) == []


@pytest.mark.parametrize("name", LETTERS)
def test_every_supported_span_is_exact_and_names_its_fact(name: str) -> None:
    text, chart = LETTERS[name], chart_of(name)

    result = verify(text, chart)

    assert len(result.supported) > 20
    for span in result.supported:
        fact = chart.get(span.handle)
        assert fact is not None
        assert span.source == fact.source
        assert text[span.start : span.end] == span.text


@pytest.mark.parametrize("name", LETTERS)
def test_every_fact_ends_as_stated_left_out_or_missing(name: str) -> None:
    chart = chart_of(name)

    result = verify(LETTERS[name], chart)

    assert result.stated + result.left_out + result.missing == len(chart.facts)
    assert result.stated > result.missing


def test_offsets_count_code_points_beyond_the_basic_plane() -> None:
    text = "🩺 Größe: 🙂\n\n" + verify_letters.BREAST_PROSE.replace("50,4 Gy", "54,0 Gy")

    result = verify(text, verify_charts.breast())

    wrong = [f for f in result.findings if f.kind is FindingKind.CONTRADICTED]
    assert [f.text for f in wrong] == ["54,0 Gy"]
    assert all(f.span and text[f.span[0] : f.span[1]] == "54,0 Gy" for f in wrong)


@pytest.mark.parametrize(
    "line",
    [
        "Bestrahlung mit 6 MV Photonen am Linearbeschleuniger, 5 Fraktionen pro Woche.",
        "1. Vorstellung\n2. Befund",
        "Die Toxizität wurde nach CTCAE v5.0 erfasst, der Tumormarker CA 15-3 wurde bestimmt.",
        "In der T1-Wichtung und in der T2-gewichteten Sequenz zeigte sich ein Normalbefund.",
        "Tel. 0711 1234567, Fax: 0711-1234568, Durchwahl 4455667",
        "Eine Kontrolle empfehlen wir in 3 Monaten, danach 3-monatlich bzw. alle 6 Wochen.",
        "HER2 wurde nach ASCO-Leitlinie 2023 beurteilt, TNM nach UICC 2017.",
        "Seite 1 von 2",
        "Vitamin B12 wurde nicht bestimmt; F18-PET nicht erforderlich.",
        "Wir danken für die gute Zusammenarbeit und stehen für Rückfragen jederzeit zur Verfügung.",
    ],
)
def test_figures_that_are_no_values_raise_no_alarm(line: str) -> None:
    text = verify_letters.BREAST_PROSE.replace("Prozedere:", f"Hinweis:\n{line}\n\nProzedere:")

    assert told(verify(text, verify_charts.breast())) == []


def test_a_letter_is_checked_fast_enough_for_every_edit() -> None:
    chart = verify_charts.breast()
    seconds = []
    for _ in range(7):
        begun = time.perf_counter()
        verify(verify_letters.BREAST_LETTERHEAD, chart)
        seconds.append(time.perf_counter() - begun)

    assert min(seconds) < 0.05
