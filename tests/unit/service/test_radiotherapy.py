"""Radiotherapy's arithmetic: doses in gray, in decimals, and what cannot both hold in one chart."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model import Chart, Display, Fact, FactType
from service.radiotherapy import (
    agree,
    check_chart,
    days_allow,
    dose_per_fraction,
    plain,
    sequential_sum,
    to_gray,
)

DOSES = st.decimals(min_value="0.01", max_value="120", places=2)
COUNTS = st.integers(1, 80)


@pytest.mark.parametrize(
    ("amount", "unit", "gray"),
    [
        ("50.4", "Gy", "50.4"),
        ("5040", "cGy", "50.4"),
        (" 5040", "CGY", "50.4"),
        ("50400", "mGy", "50.4"),
        (2, "gray", "2"),
        ("200", "centigray", "2"),
    ],
)
def test_a_dose_is_read_in_gray(amount: str | int, unit: str, gray: str) -> None:
    assert to_gray(amount, unit) == Decimal(gray)


@given(dose=DOSES)
def test_centigray_lose_nothing(dose: Decimal) -> None:
    assert to_gray(dose * 100, "cGy") == to_gray(dose, "Gy") == dose


@pytest.mark.parametrize(
    ("amount", "unit"), [("50", "mg"), ("50", ""), ("fifty", "Gy"), ("NaN", "Gy"), ("Infinity", "cGy")]
)
def test_what_is_no_dose_is_refused_without_quoting_it(amount: str, unit: str) -> None:
    with pytest.raises(ValueError, match=r"^(unit|value) of dose$"):
        to_gray(amount, unit)


@pytest.mark.parametrize(
    ("number", "text"), [("50.40", "50.4"), ("6E+1", "60"), ("60", "60"), ("0.00", "0"), ("-0", "0"), ("100", "100")]
)
def test_a_number_is_written_plainly(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text


@given(number=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4))
def test_a_plain_number_is_the_same_number(number: Decimal) -> None:
    text = plain(number)

    assert Decimal(text) == number
    assert "E" not in text
    assert not ("." in text and text.endswith("0"))


@given(single=DOSES, fractions=COUNTS)
def test_the_dose_per_fraction_comes_out_of_the_total(single: Decimal, fractions: int) -> None:
    assert dose_per_fraction(single * fractions, fractions) == single


@given(total=DOSES, fractions=COUNTS)
def test_a_dose_per_fraction_is_exact_or_not_told(total: Decimal, fractions: int) -> None:
    single = dose_per_fraction(total, fractions)

    assert single is None or single * fractions == total


def test_a_total_that_does_not_divide_has_no_dose_per_fraction() -> None:
    assert dose_per_fraction(Decimal(66), 31) is None
    assert dose_per_fraction(Decimal(66), 0) is None
    assert dose_per_fraction(Decimal(66), -3) is None


@given(total=DOSES, fractions=COUNTS)
def test_a_single_dose_rounded_to_a_hundredth_agrees_with_its_total(total: Decimal, fractions: int) -> None:
    assert agree(total, round(total / fractions, 2), fractions)


@given(single=DOSES, fractions=st.integers(2, 80))
def test_one_fraction_more_or_less_does_not_agree(single: Decimal, fractions: int) -> None:
    if single > Decimal("0.6"):
        assert not agree(single * fractions, single, fractions - 1)
        assert not agree(single * fractions, single, fractions + 1)


@given(doses=st.lists(DOSES, max_size=6))
def test_phases_of_one_volume_add_up_in_any_order(doses: list[Decimal]) -> None:
    assert sequential_sum(doses) == sequential_sum(reversed(doses)) == sum(doses)


@given(start=st.dates(max_value=date(2100, 1, 1)), days=st.integers(0, 100), more=st.integers(1, 50))
def test_at_most_two_fractions_a_day(start: date, days: int, more: int) -> None:
    end = start + timedelta(days=days)

    assert days_allow(2 * (days + 1), start, end)
    assert not days_allow(2 * (days + 1) + more, start, end)


# ---------------------------------------------------------------- a chart against itself

TRUE = {
    "patient.birth_date": "1961-05-04",
    "diagnosis.1.side": "right",
    "course.1.start": "2026-02-02",
    "course.1.end": "2026-03-12",
    "course.1.site": "rechte Mamma",
    "course.1.side": "right",
    "course.1.fractions": "28",
    "course.1.volume.1.dose": "50.4",
    "course.1.volume.1.dose_per_fraction": "1.8",
    "course.1.volume.1.fractions": "28",
    "systemic.1.start": "2025-09-01",
    "systemic.1.end": "2026-01-10",
}


def a_chart(**changed: str) -> Chart:
    """TRUE with these values; ``__`` stands for the dot of a handle."""
    told = TRUE | {handle.replace("__", "."): value for handle, value in changed.items()}
    return Chart(
        facts=tuple(
            Fact(handle=handle, type=FactType.TEXT, value=value, display=Display(de=value, en=value), source="x#y")
            for handle, value in told.items()
            if value
        )
    )


def test_a_chart_that_agrees_has_no_contradiction() -> None:
    assert check_chart(a_chart()) == ()


@pytest.mark.parametrize(
    ("handle", "value", "reason", "at", "other"),
    [
        ("course__1__volume__1__dose", "54", "dose_and_fractions", "volume.1.dose", "volume.1.dose_per_fraction"),
        ("course__1__fractions", "25", "volume_fractions_exceed_course", "volume.1.fractions", "fractions"),
        ("course__1__end", "2026-01-12", "end_before_start", "end", "start"),
        ("course__1__end", "2026-02-04", "more_fractions_than_days_allow", "fractions", "end"),
        ("course__1__site", "linke Mamma", "side_against_site", "side", "site"),
        ("patient__birth_date", "2026-02-03", "course_before_birth", "start", "patient.birth_date"),
        ("diagnosis__1__side", "left", "side_against_diagnosis", "side", "diagnosis.1.side"),
        ("systemic__1__end", "2025-08-31", "systemic_end_before_start", "systemic.1.end", "systemic.1.start"),
    ],
)
def test_two_facts_that_cannot_both_hold_are_named(handle: str, value: str, reason: str, at: str, other: str) -> None:
    (found,) = check_chart(a_chart(**{handle: value}))

    assert found.reason == reason
    assert found.handle.removeprefix("course.1.") == at
    assert found.other.removeprefix("course.1.") == other


def test_a_course_on_both_sides_or_one_side_of_two_tumours_contradicts_nothing() -> None:
    assert check_chart(a_chart(course__1__side="bilateral", course__1__site="Mamma")) == ()
    assert check_chart(a_chart(diagnosis__1__side="left", diagnosis__2__side="right")) == ()


@pytest.mark.parametrize("handle", sorted(TRUE))
def test_a_missing_fact_is_no_contradiction(handle: str) -> None:
    assert check_chart(a_chart(**{handle.replace(".", "__"): ""})) == ()


@given(changes=st.dictionaries(st.sampled_from(sorted(TRUE)), st.text(max_size=12)))
def test_values_of_any_form_never_raise(changes: dict[str, str]) -> None:
    check_chart(a_chart(**{handle.replace(".", "__"): value for handle, value in changes.items()}))
