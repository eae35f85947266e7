"""Handles become values with exact spans; edits keep what they did not touch."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import UnusableInput
from service.letter import (
    BLANK,
    carry_spans,
    finding_key,
    letter_from_payload,
    letter_payload,
    replace_section,
    resolve,
    sections,
    verification_from_payload,
    verification_payload,
    verification_report,
)
from service.model import (
    Chart,
    ChartRef,
    Display,
    Fact,
    FactType,
    Finding,
    FindingKind,
    Lang,
    Letter,
    RawLetter,
    Severity,
    Span,
    Verification,
    WriterInfo,
)

WRITER = WriterInfo(base="b", lora="l", prompt="p", handles="h", tokens=12, seconds=0.5)


def _fact(handle: str, fact_type: FactType, value: str, de: str, en: str) -> Fact:
    return Fact(handle=handle, type=fact_type, value=value, display=Display(de=de, en=en), source=f"Test/1#{handle}")


CHART = Chart(
    facts=(
        _fact("patient.name", FactType.NAME, "Jürgen Müller", "Jürgen Müller", "Jürgen Müller"),
        _fact("patient.salutation", FactType.SALUTATION, "male", "Herr", "Mr"),
        _fact("course.1.start", FactType.DATE, "2026-03-02", "02.03.2026", "2 March 2026"),
        _fact("diagnosis.1.date", FactType.DATE, "2025", "2025", "2025"),
        _fact("course.1.volume.1.dose", FactType.DOSE, "50.4", "50,4 Gy", "50.4 Gy"),
    )
)


def _raw(text: str, lang: Lang = "de") -> RawLetter:
    return RawLetter(raw=text, lang=lang, writer=WRITER)


def _finding(**changes: object) -> Finding:
    finding = Finding(
        kind=FindingKind.CONTRADICTED,
        type="dose",
        span=(10, 17),
        text="54,0 Gy",
        severity=Severity.BLOCK,
        chart=ChartRef(handle="course.1.volume.1.dose", value="50.4 Gy", source="Procedure/7"),
        message=Display(de="Dosis", en="Dose"),
    )
    return replace(finding, **changes)  # type: ignore[arg-type]


def test_handles_become_displays_with_exact_spans() -> None:
    letter = resolve(_raw("🙂 [[patient.salutation]] [[patient.name]]: [[course.1.volume.1.dose]]."), CHART)

    assert letter.text == "🙂 Herr Jürgen Müller: 50,4 Gy."
    assert [letter.text[s.start : s.end] for s in letter.spans] == ["Herr", "Jürgen Müller", "50,4 Gy"]
    assert [s.handle for s in letter.spans] == ["patient.salutation", "patient.name", "course.1.volume.1.dose"]
    assert all(s.source == f"Test/1#{s.handle}" for s in letter.spans)


@pytest.mark.parametrize(
    ("raw", "de", "en"),
    [
        ("[[course.1.start]]", "02.03.2026", "2 March 2026"),
        ("[[course.1.start:month]]", "März 2026", "March 2026"),
        ("[[course.1.start:year]]", "2026", "2026"),
        ("[[diagnosis.1.date:month]]", "2025", "2025"),
        ("[[patient.salutation:acc]]", "Herrn", "Mr"),
    ],
)
def test_a_handle_may_name_a_form_of_its_type(raw: str, de: str, en: str) -> None:
    assert resolve(_raw(raw), CHART).text == de
    assert resolve(_raw(raw, "en"), CHART).text == en


@pytest.mark.parametrize(
    "raw",
    [
        "[[course.9.start]]",
        "[[course.1.start:dative]]",
        "[[course.1.volume.1.dose:month]]",
        "[[kein Handle]]",
        "[[course.1.start",
        "]]",
    ],
)
def test_what_cannot_be_resolved_is_a_visible_blank_without_a_span(raw: str) -> None:
    letter = resolve(_raw(f"Am {raw} war es."), CHART)

    assert letter.text == f"Am {BLANK} war es."
    assert letter.spans == ()


def test_brackets_in_a_chart_value_are_not_read_as_a_handle() -> None:
    chart = Chart(facts=(_fact("allergy.1.name", FactType.ALLERGY, "x", "[[patient.name]]", "x"), *CHART.facts))

    assert resolve(_raw("Allergie: [[allergy.1.name]]"), chart).text == "Allergie: [[patient.name]]"


def test_sections_are_cut_at_blank_lines_and_titled_by_their_heading() -> None:
    text = "Sehr geehrte Damen und Herren,\n\nDiagnosen:\n- Mammakarzinom\n- Hypertonie\n\n \nMit Gruß\n"

    found = sections(text)

    assert [s.title for s in found] == ["", "Diagnosen", ""]
    assert [text[s.start : s.end] for s in found] == [
        "Sehr geehrte Damen und Herren,",
        "Diagnosen:\n- Mammakarzinom\n- Hypertonie",
        "Mit Gruß",
    ]
    assert sections(" \n\n") == ()


def test_a_section_is_replaced_or_removed_alone() -> None:
    text = "eins\n\nzwei:\nalt\n\ndrei"

    assert replace_section(text, 1, "zwei:\nneu") == "eins\n\nzwei:\nneu\n\ndrei"
    assert replace_section(text, 1, "") == "eins\n\ndrei"
    with pytest.raises(UnusableInput):
        replace_section(text, 3, "x")


def _letter() -> Letter:
    return resolve(
        _raw("Herr [[patient.name]] kam.\n\nAb [[course.1.start]] erhielt er [[course.1.volume.1.dose]] ambulant."),
        CHART,
    )


def test_an_edit_elsewhere_moves_the_spans() -> None:
    letter = _letter()
    new = "Vorab ein Wort. " + letter.text.replace("ambulant", "stationär")

    carried = carry_spans(letter, new)

    assert [s.handle for s in carried] == [s.handle for s in letter.spans]
    assert all(new[s.start : s.end] == s.text for s in carried)


@pytest.mark.parametrize("typed", ["150,4 Gy", "50,44 Gy", "1.50,4 Gy", "50,4 Gy/Tag", "54 Gy", ""])
def test_an_edited_value_loses_its_span_and_only_it(typed: str) -> None:
    letter = _letter()

    carried = carry_spans(letter, letter.text.replace("50,4 Gy", typed))

    assert [s.handle for s in carried] == ["patient.name", "course.1.start"]


@given(st.text(max_size=60), st.integers(0, 90), st.integers(0, 90))
def test_carried_spans_always_hold_their_text(new: str, start: int, end: int) -> None:
    letter = _letter()
    text = letter.text[:start] + new + letter.text[max(start, end) :]

    for span in carry_spans(letter, text):
        assert text[span.start : span.end] == span.text


@given(st.text(alphabet="[]:ab.c1 \nü", max_size=80))
def test_resolving_never_raises_and_leaves_no_handle(raw: str) -> None:
    letter = resolve(_raw(raw), CHART)

    assert "[[" not in letter.text
    assert letter.spans == ()


def test_a_findings_key_survives_moves_but_not_another_chart_value() -> None:
    finding = _finding()

    assert finding_key(finding) == finding_key(_finding(span=(90, 97), text="54,0  gy"))
    assert finding_key(finding) != finding_key(_finding(text="55,0 Gy"))
    assert finding_key(finding) != finding_key(_finding(type="date"))
    assert finding_key(finding) != finding_key(
        _finding(chart=ChartRef(handle="course.1.volume.1.dose", value="52 Gy", source="Procedure/7"))
    )


def test_letters_and_verifications_come_back_from_json() -> None:
    letter = _letter()
    verification = Verification(
        verdict="blocked",
        findings=(_finding(), _finding(kind=FindingKind.OMITTED, span=None, text="", chart=None)),
        supported=(Span(start=1, end=3, handle="patient.name", source="s", text="ab"),),
        stated=3,
        left_out=2,
        missing=1,
    )

    assert letter_from_payload(json.loads(json.dumps(letter_payload(letter)))) == letter
    assert letter_from_payload(letter_payload(replace(letter, writer=None))).writer is None
    assert verification_from_payload(json.loads(json.dumps(verification_payload(verification)))) == verification


def test_the_report_is_the_contracts_json() -> None:
    report = verification_report(
        Verification(verdict="blocked", findings=(_finding(),), supported=(), stated=1, left_out=0, missing=2), "en"
    )

    assert report["facts"] == {"stated": 1, "left_out": 0, "missing": 2}
    (finding,) = report["findings"]
    assert finding["span"] == [10, 17]
    assert finding["message"] == "Dose"
    assert finding["chart"] == {"handle": "course.1.volume.1.dose", "value": "50.4 Gy", "source": "Procedure/7"}
