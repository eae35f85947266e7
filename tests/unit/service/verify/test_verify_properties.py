"""What holds for any text: no crash, honest spans; and for any other value: it is flagged."""

import datetime as dt
from dataclasses import replace

import verify_charts
import verify_letters
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from service.model import Chart, FindingKind, Severity, Verification
from service.verify import verify

CHARTS = [verify_charts.breast(), verify_charts.lung(), verify_charts.prostate(), Chart(facts=())]
LETTERS = [getattr(verify_letters, name) for name in dir(verify_letters) if name.isupper()]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_FRAGMENTS = st.sampled_from(
    ["50,4 Gy", "28 x 1,8 Gy", "12.03.2026", "31.02.2026", "99.99.2026", "vom 1.2. bis ", "geb. ", "Herr ", "Frau Dr. ", "C50.4", "cT2 N0", "Grad ", "ECOG 1", "\n    PSA 0,8", "5 mg", "1-0-1", "links ", "rechte Mamma ", "keine ", "allergies: ", "____", "09:30 Uhr", "- ", ":\n", "\n\n", "(", "Patient ", "MRN 12", "achtundzwanzig Fraktionen", "\n    /", "GyGy", "٥٠ Gy", "1.2.3.4.5", "I.E.", "AUC 5", "und", "zwischen ", "ß", "İ", "🙂", "bis", "Gleason 3+4", "Cisplatin", "Zxcvmab", "Karnofsky 80 %", "Stadium IIA"]
)  # fmt: skip
ANY_TEXT = st.one_of(
    st.text(max_size=200),
    st.lists(st.one_of(_FRAGMENTS, st.text(max_size=6)), max_size=25).map("".join),
    st.tuples(st.sampled_from(LETTERS), st.integers(0, 1500), st.integers(0, 60), st.text(max_size=10)).map(
        lambda t: t[0][: t[1]] + t[3] + t[0][t[1] + t[2] :]
    ),
)


def _is_honest(text: str, result: Verification) -> None:
    for finding in result.findings:
        if finding.span:
            start, end = finding.span
            assert 0 <= start < end <= len(text)
            assert text[start:end] == finding.text
            assert finding.kind is not FindingKind.OMITTED
        else:
            assert finding.text == ""
        assert finding.message.de and finding.message.en
    ends = 0
    for span in result.supported:
        assert ends <= span.start < span.end <= len(text)
        assert text[span.start : span.end] == span.text
        ends = span.end


@QUICK
@given(ANY_TEXT, st.sampled_from(CHARTS), st.sampled_from([None, "de", "en"]))
def test_no_text_makes_it_fail_and_spans_hold_their_text(text: str, chart: Chart, lang: str | None) -> None:
    result = verify(text, chart, lang)  # type: ignore[arg-type]

    _is_honest(text, result)
    assert result.stated + result.left_out + result.missing == len(chart.facts)
    loud = {finding.severity for finding in result.findings}
    wanted = "blocked" if Severity.BLOCK in loud else "flagged" if Severity.WARN in loud else "clean"
    assert result.verdict == wanted


def _fault_at(text: str, position: int, chart: Chart) -> bool:
    return any(
        f.severity is not Severity.INFO and f.span and f.span[0] <= position < f.span[1]
        for f in verify(text, chart).findings
    )


@QUICK
@given(st.integers(10, 900), st.sampled_from(["BREAST_PROSE", "BREAST_TELEGRAM"]), st.booleans())
def test_any_other_dose_is_flagged(tenths: int, name: str, centigray: bool) -> None:
    assume(tenths not in (504, 588, 18, 21))
    typed = f"{tenths * 10} cGy" if centigray else f"{tenths // 10},{tenths % 10} Gy"
    text: str = getattr(verify_letters, name)
    position = text.index("50,4 Gy")

    assert _fault_at(text.replace("50,4 Gy", typed, 1), position, CHARTS[0])


@QUICK
@given(st.integers(2, 99), st.sampled_from(["{} Fraktionen", "{} Sitzungen", "{} Fx"]))
def test_any_other_number_of_fractions_is_flagged(count: int, form: str) -> None:
    assume(count not in (25, 12, 37))
    text = verify_letters.PROSTATE_PROSE
    position = text.index("siebenunddreißig Fraktionen")

    typed = text.replace("siebenunddreißig Fraktionen", form.format(count))
    assert _fault_at(typed, position, CHARTS[2])


@QUICK
@given(
    st.dates(dt.date(1990, 1, 1), dt.date(2039, 12, 31)),
    st.sampled_from(["{d.day:02}.{d.month:02}.{d.year}", "{d.day}.{d.month}.{d:%y}", "{d:%Y-%m-%d}", "{d.day:02}. {d.month:02}. {d.year}"]),
    st.sampled_from(["02.02.2026", "11.03.2026", "12.11.2025", "03.04.1961", "24.04.2026", "01.02.2026"]),
)  # fmt: skip
def test_any_other_date_is_flagged_in_every_role(day: dt.date, form: str, true: str) -> None:
    known = {f.value for f in CHARTS[0].facts}
    shifted = {f"{day.year - 100}{day:-%m-%d}", f"{day.year + 100}{day:-%m-%d}", day.isoformat()}
    assume(not shifted & known)
    text = verify_letters.BREAST_PROSE
    position = text.index(true)

    assert _fault_at(text.replace(true, form.format(d=day), 1), position, CHARTS[0])


@QUICK
@given(st.sampled_from(LETTERS), st.integers(0, 2000), st.sampled_from(["ä", "🙂", "ß ", "\n"]))
def test_text_put_before_moves_every_span_alike(letter: str, _: int, before: str) -> None:
    chart = CHARTS[0]
    shift = len(before) + 2

    plain = [(s.start + shift, s.end + shift, s.handle) for s in verify(letter, chart).supported]

    moved = [(s.start, s.end, s.handle) for s in verify(f"{before}\n\n{letter}", chart).supported]
    assert moved == plain or before == "\n"


@QUICK
@given(st.data())
def test_a_chart_without_a_fact_never_makes_its_value_supported_by_it(data: st.DataObject) -> None:
    chart = CHARTS[0]
    gone = data.draw(st.sampled_from(chart.facts))

    smaller = replace(chart, facts=tuple(f for f in chart.facts if f is not gone))

    result = verify(verify_letters.BREAST_PROSE, smaller)
    assert all(span.handle != gone.handle for span in result.supported)
    assert all(f.chart is None or f.chart.handle != gone.handle for f in result.findings)
