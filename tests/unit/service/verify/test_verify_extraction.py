"""Typed values as letters write them: dates, doses, fractions, numbers, codes, drugs; sentences and clauses."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.verify.codes import find_grades, find_icd10, find_stages, find_tnm
from service.verify.dates import find_dates, same_date
from service.verify.doses import find_doses
from service.verify.numbers import canonical, parse
from service.verify.page import Page, detect_language
from service.verify.pharmacy import substance_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("am 12.03.2026 erfolgte", "2026-03-12"),
        ("am 12.3.26 erfolgte", "2026-03-12"),
        ("am 3.4.26.", "2026-04-03"),
        ("am 12. März 2026", "2026-03-12"),
        ("on March 12, 2026", "2026-03-12"),
        ("on 12th of March 2026", "2026-03-12"),
        ("on 12 Mar 2026", "2026-03-12"),
        ("on 2026-03-12", "2026-03-12"),
        ("Mitte März 2026", "2026-03"),
        ("im März 2026", "2026-03"),
        ("seit 03/2026", "2026-03"),
        ("ED 03/26", "2026-03"),
        ("im Jahr 2019", "2019"),
        ("vom 02.02. bis", "--02-02"),
    ],
)
def test_a_date_is_read_in_every_written_form(text: str, value: str) -> None:
    (mention,) = find_dates(Page(text))

    assert mention.value == value
    assert text[mention.start : mention.end] == mention.text


@pytest.mark.parametrize(
    "text",
    ["50.4 Gy", "Nr. 1.2", "1.1. Überschrift", "CTCAE v5.0", "nach UICC 2017", "Tel. 0711/123456", "3/5 Stanzen"],
)
def test_other_figures_are_no_dates(text: str) -> None:
    assert find_dates(Page(text)) == []


def test_a_numeric_english_date_has_both_readings() -> None:
    (mention,) = find_dates(Page("She was seen on 03/04/2026.", "en"))

    assert set(mention.values) == {"2026-03-04", "2026-04-03"}


@pytest.mark.parametrize(
    ("values", "fact", "same"),
    [
        (["2026-03"], "2026-03-12", True),
        (["2026"], "2026-03-12", True),
        (["--03-12"], "2026-03-12", True),
        (["2026-03-12"], "2026-03", False),
        (["2026-03"], "2026-04-12", False),
        (["2061-04-03", "1961-04-03"], "1961-04-03", True),
    ],
)
def test_a_date_states_a_fact_as_precisely_or_less_so(values: list[str], fact: str, same: bool) -> None:
    assert same_date(values, fact) is same


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bis 50,4 Gy", [("dose", "50.4")]),
        ("to 5040 cGy", [("dose", "50.4")]),
        ("to 5,040 cGy", [("dose", "50.4")]),
        ("60.0 Gy", [("dose", "60")]),
        ("28 x 1,8 Gy", [("fractions", "28"), ("dose_per_fraction", "1.8")]),
        ("28 × 1.8 Gy = 50.4 Gy", [("fractions", "28"), ("dose_per_fraction", "1.8"), ("dose", "50.4")]),
        ("Einzeldosis 1,8 Gy, Gesamtdosis 50,4 Gy", [("dose_per_fraction", "1.8"), ("dose", "50.4")]),
        ("50,4 Gy in 28 Fraktionen à 1,8 Gy", [("dose", "50.4"), ("fractions", "28"), ("dose_per_fraction", "1.8")]),
        ("60 Gy in 30 fractions of 2 Gy", [("dose", "60"), ("fractions", "30"), ("dose_per_fraction", "2")]),
        ("50,4/1,8 Gy", [("dose", "50.4"), ("dose_per_fraction", "1.8")]),
        ("in achtundzwanzig Fraktionen", [("fractions", "28")]),
        ("in twenty-eight daily fractions", [("fractions", "28")]),
        ("12 von 28 Fraktionen", [("fractions", "12"), ("fractions", "28")]),
        ("5 Fraktionen pro Woche", []),
        ("6 MV Photonen", []),
    ],
)
def test_doses_and_fractions_are_told_apart(text: str, found: list[tuple[str, str]]) -> None:
    mentions = find_doses(Page(text))

    assert [(m.type, m.value) for m in mentions] == found
    assert all(text[m.start : m.end] == m.text for m in mentions)


@pytest.mark.parametrize(
    ("token", "thousands", "value"),
    [
        ("50,4", False, "50.4"),
        ("50.40", False, "50.4"),
        ("5.040", True, "5040"),
        ("1,000", False, "1"),
        ("einundzwanzig", False, "21"),
        ("dreißig", False, "30"),
        ("dreissig", False, "30"),
        ("thirty-seven", False, "37"),
        ("٥٠", False, "50"),
    ],
)
def test_numbers_are_read_as_written(token: str, thousands: bool, value: str) -> None:
    number = parse(token, thousands=thousands)

    assert number is not None
    assert canonical(number) == value


@given(st.decimals(min_value=0, max_value=9999, places=2))
def test_a_number_survives_german_and_english_spelling(number: Decimal) -> None:
    for written in (f"{number:f}", f"{number:f}".replace(".", ",")):
        assert parse(written) == number


def test_codes_are_found_and_look_alikes_are_not() -> None:
    page = Page(
        "Mammakarzinom (C50.4) ohne C61 gefragt, Diagnose: C20; Vitamin B12, KRAS G12C, T1-Wichtung, BRAF V600E."
    )

    assert [m.value for m in find_icd10(page)] == ["C50.4", "C20"]
    assert find_tnm(page) == []


def test_tnm_is_read_component_by_component() -> None:
    page = Page("ypT1c(m) ypN1mi (1/3 sn) cM0, früher cT2 N0; T2-gewichtet; BWK: Th4")

    assert [m.value for m in find_tnm(page)] == ["ypT1c", "ypN1mi", "cM0", "cT2", "N0"]


def test_stages_grades_and_performance_are_labelled() -> None:
    page = Page(
        "UICC-Stadium iib, G2, Dermatitis Grad II, Mukositis 3°, ECOG-PS: 1, Karnofsky-Index 80 %, COPD GOLD Stadium II"
    )

    assert [m.value for m in find_stages(page)] == ["IIB"]
    assert [(m.label, m.value) for m in find_grades(page)] == [
        ("grading", "G2"),
        ("grade", "2"),
        ("grade", "3"),
        ("ecog", "1"),
        ("karnofsky", "80"),
    ]


@pytest.mark.parametrize(
    ("token", "substance"),
    [
        ("Xeloda", "capecitabin"),
        ("Cisplatin-haltig", "cisplatin"),
        ("Letrozole", "letrozol"),
        ("Zoledronsäure", "zoledronsaeure"),
        ("Zanubrutinib", "zanubrutinib"),
        ("Somatostatin", None),
        ("April", None),
        ("Patient", None),
    ],
)
def test_a_drug_is_known_by_name_brand_or_ending(token: str, substance: str | None) -> None:
    assert substance_of(token) == substance


def test_abbreviations_and_ordinals_end_no_sentence() -> None:
    text = "Frau Dr. med. Weber sah sie am 12. März 2026, z. B. zur 3. Gabe. Danach ging es gut."
    page = Page(text)

    assert [text[s.start : s.end] for s in page.sentences] == [
        "Frau Dr. med. Weber sah sie am 12. März 2026, z. B. zur 3. Gabe.",
        "Danach ging es gut.",
    ]


def test_list_items_and_labels_are_sentences_of_their_own_but_a_wrapped_line_is_not() -> None:
    text = "Diagnosen:\n- Mammakarzinom\n- Hypertonie\n\nDie Bestrahlung wurde ohne wesentliche Nebenwirkungen vertragen und\nplanmäßig beendet."
    page = Page(text)

    assert [text[s.start : s.end] for s in page.sentences] == [
        "Diagnosen:",
        "- Mammakarzinom",
        "- Hypertonie",
        "Die Bestrahlung wurde ohne wesentliche Nebenwirkungen vertragen und\nplanmäßig beendet.",
    ]
    assert page.heading_at(text.index("Hypertonie")) == "diagnosen:"


@given(st.text(max_size=300))
def test_sentences_and_clauses_are_ordered_and_inside_the_text(text: str) -> None:
    page = Page(text)

    for ranges in (page.sections, page.sentences, page.clauses):
        ends = 0
        for piece in ranges:
            assert ends <= piece.start < piece.end <= len(text)
            ends = piece.end
    assert len(page.folded) == len(text)


def test_the_language_of_a_letter_is_told_by_its_commonest_words() -> None:
    assert detect_language("Wir berichten über die Patientin, die von uns bestrahlt wurde.") == "de"
    assert detect_language("We report on the patient, who was treated with us.") == "en"
    assert detect_language("") == "de"
