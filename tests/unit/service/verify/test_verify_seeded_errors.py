"""One error put into a true letter is found as itself: its kind, its type, its exact place."""

import pytest
import verify_charts
import verify_letters

from service.model import Finding, FindingKind, Severity
from service.verify import verify

BLOCK = Severity.BLOCK
WARN = Severity.WARN

# letter, true words -> typed words, the words at fault, kind, type, the fact meant (or None)
SEEDED = [
    # doses
    ("BREAST_PROSE", "bis 50,4 Gy", "bis 54,0 Gy", "54,0 Gy", "contradicted", "dose", "course.1.volume.1.dose"),
    ("BREAST_PROSE", "bis 58,8 Gy", "bis 50,4 Gy", "50,4 Gy", "contradicted", "dose", "course.1.volume.2.dose"),
    ("BREAST_PROSE", "28 x 1,8 Gy bis 50,4 Gy", "28 x 2,1 Gy bis 58,8 Gy", "58,8 Gy", "contradicted", "dose", "course.1.volume.1.dose"),
    ("BREAST_PROSE", "x 1,8 Gy", "x 2,0 Gy", "2,0 Gy", "contradicted", "dose", "course.1.volume.1.dose_per_fraction"),
    ("BREAST_ENGLISH", "50.4 Gy", "40.05 Gy", "40.05 Gy", "contradicted", "dose", "course.1.volume.1.dose"),
    ("BREAST_ENGLISH", "5880 cGy", "5580 cGy", "5580 cGy", "contradicted", "dose", "course.1.volume.2.dose"),
    ("LUNG_PROSE", "60 Gy", "66 Gy", "66 Gy", "contradicted", "dose", "course.1.volume.1.dose"),
    ("LUNG_LISTED", "nodes: 54 Gy", "nodes: 60 Gy", "60 Gy", "contradicted", "dose", "course.1.volume.2.dose"),
    ("PROSTATE_PROSE", "74 Gy", "76 Gy", "76 Gy", "contradicted", "dose", None),
    # fractions
    ("BREAST_PROSE", "28 x", "25 x", "25", "contradicted", "fractions", None),
    ("BREAST_ENGLISH", "28 fractions", "26 fractions", "26", "contradicted", "fractions", None),
    ("PROSTATE_PROSE", "siebenunddreißig", "fünfunddreißig", "fünfunddreißig", "contradicted", "fractions", None),
    ("LUNG_LISTED", "Fractions: 30", "Fractions: 33", "33", "contradicted", "fractions", "course.1.fractions"),
    # dates, each in its role
    ("BREAST_PROSE", "Vom 02.02.2026 bis", "Vom 03.02.2026 bis", "03.02.2026", "contradicted", "date", "course.1.start"),
    ("BREAST_PROSE", "bis 11.03.2026", "bis 12.03.2026", "12.03.2026", "contradicted", "date", "course.1.end"),
    ("BREAST_PROSE", "Vom 02.02.2026", "Vom 01.02.2026", "01.02.2026", "contradicted", "date", "course.1.start"),
    ("BREAST_PROSE", "bis 20.03.2026", "bis 21.03.2026", "21.03.2026", "contradicted", "date", "visit.end"),
    ("BREAST_PROSE", "ED 12.11.2025", "ED 09.12.2025", "09.12.2025", "contradicted", "date", "diagnosis.1.date"),
    ("BREAST_PROSE", "Am 09.12.2025", "Am 08.12.2025", "08.12.2025", "contradicted", "date", "procedure.1.date"),
    ("BREAST_PROSE", "24.04.2026", "25.04.2026", "25.04.2026", "contradicted", "date", "appointment.1.date"),
    ("BREAST_PROSE", "15.06.2026", "15.07.2026", "15.07.2026", "contradicted", "date", "plan.1.date"),
    ("BREAST_TELEGRAM", "2.2.26 -", "2.3.26 -", "2.3.26", "contradicted", "date", "course.1.start"),
    ("BREAST_ENGLISH", "December 9, 2025", "December 19, 2025", "December 19, 2025", "contradicted", "date", "procedure.1.date"),
    ("PROSTATE_SHORT", "am 3.3.26 begonnen", "am 24.4.26 begonnen", "24.4.26", "contradicted", "date", "course.1.start"),
    ("PROSTATE_PROSE", "03.03. bis", "04.03. bis", "04.03.", "contradicted", "date", "course.1.start"),
    ("LUNG_LISTED", "- 9 April 2026", "- 19 April 2026", "19 April 2026", "contradicted", "date", None),
    ("PROSTATE_PROSE", "- 14.07.2026", "- 09.06.2026", "09.06.2026", "contradicted", "date", "appointment.2.date"),
    ("PROSTATE_PROSE", "17.11.2025", "17.12.2025", "17.12.2025", "contradicted", "date", "systemic.1.start"),
    ("PROSTATE_PROSE", "am 20.04.2026", "am 21.04.2026", "21.04.2026", "contradicted", "date", "lab.1.date"),
    # codes
    ("BREAST_PROSE", "C50.4", "C50.2", "C50.2", "contradicted", "icd10", "diagnosis.1.icd10"),
    ("BREAST_PROSE", "I10.00", "I11.00", "I11.00", "contradicted", "icd10", "comorbidity.1.icd10"),
    ("PROSTATE_PROSE", "(C61)", "(C67)", "C67", "contradicted", "icd10", "diagnosis.1.icd10"),
    ("BREAST_PROSE", "pT1c", "pT2", "pT2", "contradicted", "tnm", "diagnosis.1.t"),
    ("BREAST_PROSE", "pN0", "pN1a", "pN1a", "contradicted", "tnm", "diagnosis.1.n"),
    ("LUNG_PROSE", "cM0", "cM1a", "cM1a", "contradicted", "tnm", "diagnosis.1.m"),
    ("LUNG_PROSE", "stage IIIA", "stage IIIB", "IIIB", "contradicted", "stage", "diagnosis.1.stage"),
    ("BREAST_PROSE", "UICC-Stadium IA", "UICC-Stadium IIA", "IIA", "contradicted", "stage", "diagnosis.1.stage"),
    # drugs and their doses
    ("BREAST_PROSE", "Letrozol", "Tamoxifen", "Tamoxifen", "contradicted", "drug", "systemic.1.drug"),
    ("LUNG_PROSE", "cisplatin", "carboplatin", "carboplatin", "contradicted", "drug", "systemic.1.drug"),
    ("BREAST_PROSE", "- Ramipril 5 mg 1-0-0", "- Ramipril 5 mg 1-0-0\n- Bisoprolol 2,5 mg 1-0-0", "Bisoprolol", "unsupported", "drug", None),
    ("LUNG_PROSE", "- Tiotropium inhaled", "- Tiotropium inhaled\n- Zanubrutinib 80 mg", "Zanubrutinib", "unsupported", "drug", None),
    ("BREAST_PROSE", "Letrozol 2,5 mg", "Letrozol 5 mg", "5 mg", "contradicted", "drug_dose", "systemic.1.dose"),
    ("LUNG_PROSE", "75 mg/m2", "100 mg/m2", "100 mg/m2", "contradicted", "drug_dose", "systemic.1.dose"),
    ("PROSTATE_PROSE", "1000 mg 1-0-1", "500 mg 1-0-1", "500 mg", "contradicted", "drug_dose", "medication.1.dose"),
    ("PROSTATE_PROSE", "1000 mg 1-0-1", "1000 mg 1-1-1", "1-1-1", "contradicted", "drug_dose", "medication.1.schedule"),
    ("LUNG_PROSE", "two cycles", "three cycles", "three", "contradicted", "drug_dose", "systemic.1.cycles"),
    # the person
    ("BREAST_PROSE", "Frau Anna Lindenberger", "Frau Anna Lindenhofer", "Anna Lindenhofer", "contradicted", "identifier", "patient.name"),
    ("BREAST_TELEGRAM", "Lindenberger, Anna", "Lindenberger, Maria", "Lindenberger, Maria", "contradicted", "identifier", "patient.name"),
    ("LUNG_LISTED", "Mr Ashworth", "Mr Ashwood", "Ashwood", "contradicted", "identifier", "patient.name"),
    ("BREAST_PROSE", "geb. 03.04.1961", "geb. 03.04.1966", "03.04.1966", "contradicted", "date", "patient.birth_date"),
    ("LUNG_PROSE", "DOB 21/08/1957", "DOB 21/09/1957", "21/09/1957", "contradicted", "date", "patient.birth_date"),
    ("BREAST_TELEGRAM", "4711082", "4711085", "4711085", "contradicted", "identifier", "patient.id"),
    ("LUNG_PROSE", "RX-204418", "RX-204481", "RX-204481", "contradicted", "identifier", "patient.id"),
    ("LUNG_PROSE", "68-year-old gentleman", "68-year-old lady", "lady", "contradicted", "sex", "patient.sex"),
    ("BREAST_PROSE", "Patientin Frau Anna", "Patienten Herrn Anna", "Herrn", "contradicted", "sex", "patient.sex"),
    # sides
    ("BREAST_PROSE", "Mammakarzinom rechts", "Mammakarzinom links", "links", "contradicted", "laterality", None),
    ("BREAST_PROSE", "Die Mamma rechts", "Die linke Mamma", "linke", "contradicted", "laterality", None),
    ("LUNG_PROSE", "to the left lung", "to the right lung", "right", "contradicted", "laterality", None),
    # negation
    ("BREAST_PROSE", "Allergien:\nPenicillin", "Allergien:\nKeine Allergien bekannt", "Keine Allergien", "contradicted", "negation", "allergy.1.name"),
    ("BREAST_PROSE", "HER2 negativ", "HER2 positiv", "HER2 positiv", "contradicted", "negation", "diagnosis.1.marker.2"),
    ("BREAST_PROSE", "Es traten eine Radiodermatitis Grad 2 und eine Fatigue Grad 1 (CTCAE v5) auf", "Es trat keine Radiodermatitis auf", "keine Radiodermatitis", "contradicted", "negation", "toxicity.1.term"),
    ("LUNG_PROSE", "Treatment was completed as planned", "Radiotherapy was stopped early", "stopped early", "contradicted", "negation", "course.1.status"),
    # appointments
    ("PROSTATE_PROSE", "11:15 Uhr", "12:15 Uhr", "12:15 Uhr", "contradicted", "appointment", "appointment.1.time"),
]  # fmt: skip

WARNED = [
    ("LUNG_PROSE", "grade 3 oesophagitis", "grade 1 oesophagitis", "1", "contradicted", "grade", "toxicity.1.grade"),
    ("BREAST_PROSE", "Fatigue Grad 1", "Fatigue Grad 2", "2", "contradicted", "grade", "toxicity.2.grade"),
    ("LUNG_PROSE", "ECOG 0", "ECOG 2", "2", "contradicted", "grade", "performance.ecog"),
    ("LUNG_PROSE", "Karnofsky 90%", "Karnofsky 70%", "70", "contradicted", "grade", "performance.karnofsky"),
    ("PROSTATE_PROSE", "bei 0,8 ng/ml", "bei 8,0 ng/ml", "8,0", "contradicted", "lab", "lab.1.value"),
    ("LUNG_PROSE", "68-year-old", "86-year-old", "86", "contradicted", "age", "patient.age"),
    ("BREAST_PROSE", ", G2,", ", G3,", "G3", "contradicted", "grade", "diagnosis.1.grading"),
    ("PROSTATE_PROSE", "Gleason 4+3=7", "Gleason 3+4=7", "3+4=7", "contradicted", "grade", "diagnosis.1.marker.1"),
    ("BREAST_PROSE", "- Hypothyreose (E03.9)", "- Hypothyreose (E03.9)\n- Diabetes mellitus Typ 2", "- Diabetes mellitus Typ 2", "unsupported", "sentence", None),
    ("LUNG_PROSE", "He has a history of COPD.", "He has a history of COPD. In 2019 he suffered a stroke.", "stroke", "unsupported", "sentence", None),
    ("PROSTATE_PROSE", "- Tamsulosin 0,4 mg 0-0-1", "- Tamsulosin 0,4 mg 0-0-1\n- Tamsulosin 0,4 mg 0-0-1", "Tamsulosin 0,4 mg 0-0-1", "unsupported", "sentence", None),
]  # fmt: skip


def seed(row: tuple[str, str, str, str, str, str, str | None]) -> tuple[str, list[Finding]]:
    name, true, typed = row[:3]
    text: str = getattr(verify_letters, name)
    assert true in text
    text = text.replace(true, typed, 1)
    chart = getattr(verify_charts, name.split("_")[0].lower())()
    return text, list(verify(text, chart).findings)


def _matches(finding: Finding, row: tuple[str, str, str, str, str, str, str | None]) -> bool:
    _, _, _, words, kind, word, handle = row
    return (
        finding.text == words
        and finding.kind.value == kind
        and finding.type == word
        and (handle is None or (finding.chart is not None and finding.chart.handle == handle))
    )


@pytest.mark.parametrize("row", SEEDED, ids=lambda row: f"{row[0].lower()}: {row[2][:40]!r}")
def test_an_error_blocks_and_is_found_at_its_place(row: tuple[str, str, str, str, str, str, str | None]) -> None:
    text, findings = seed(row)

    found = [f for f in findings if _matches(f, row)]
    assert found, [(f.kind.value, f.type, f.text, f.chart) for f in findings if f.span]
    assert all(f.severity is BLOCK and f.span and text[f.span[0] : f.span[1]] == row[3] for f in found)


@pytest.mark.parametrize("row", WARNED, ids=lambda row: f"{row[0].lower()}: {row[2][:40]!r}")
def test_a_lesser_error_warns_at_its_place(row: tuple[str, str, str, str, str, str, str | None]) -> None:
    text, findings = seed(row)

    found = [f for f in findings if _matches(f, row)]
    assert found, [(f.kind.value, f.type, f.text, f.chart) for f in findings if f.span]
    assert all(f.severity is WARN and f.span and text[f.span[0] : f.span[1]] == row[3] for f in found)


@pytest.mark.parametrize("row", SEEDED + WARNED, ids=lambda row: f"{row[0].lower()}: {row[2][:40]!r}")
def test_one_error_is_not_told_many_times(row: tuple[str, str, str, str, str, str, str | None]) -> None:
    _, findings = seed(row)

    loud = [f for f in findings if f.severity is not Severity.INFO]
    assert len([f for f in loud if f.span]) <= 4, [(f.kind.value, f.type, f.text) for f in loud]


def test_swapped_start_and_end_are_two_contradictions() -> None:
    text = verify_letters.BREAST_PROSE.replace("Vom 02.02.2026 bis 11.03.2026", "Vom 11.03.2026 bis 02.02.2026")

    findings = verify(text, verify_charts.breast()).findings

    wrong = [(f.text, f.chart.handle) for f in findings if f.chart and f.kind is FindingKind.CONTRADICTED]
    assert wrong == [("11.03.2026", "course.1.start"), ("02.02.2026", "course.1.end")]


def test_swapped_volume_doses_are_found() -> None:
    text = verify_letters.LUNG_PROSE.replace("60 Gy", "@").replace("54 Gy", "60 Gy").replace("@", "54 Gy")

    findings = verify(text, verify_charts.lung()).findings

    wrong = {(f.text, f.chart.handle) for f in findings if f.chart and f.kind is FindingKind.CONTRADICTED}
    assert wrong == {("54 Gy", "course.1.volume.1.dose"), ("60 Gy", "course.1.volume.2.dose")}


def test_figures_that_do_not_multiply_are_an_arithmetic_finding() -> None:
    text = verify_letters.LUNG_PROSE.replace("in 30 fractions of 2 Gy", "in 30 fractions of 1.8 Gy")

    findings = verify(text, verify_charts.lung()).findings

    sums = [f for f in findings if f.kind is FindingKind.ARITHMETIC]
    assert [(f.type, f.text, f.severity) for f in sums] == [("dose", "60 Gy", BLOCK)]


@pytest.mark.parametrize(
    ("chart", "letter", "dropped", "kind", "handle"),
    [
        ("breast", "BREAST_PROSE", "\n- L-Thyroxin 75 µg 1-0-0", "drug", "medication.2.drug"),
        ("breast", "BREAST_PROSE", "Allergien:\nPenicillin\n\n", "allergy", "allergy.1.name"),
        ("breast", "BREAST_PROSE", " Der Nachsorgetermin in der Ambulanz der Strahlenklinik ist am 24.04.2026 um 09:30 Uhr.", "appointment", "appointment.1.date"),
        ("breast", "BREAST_PROSE", "Eine Mammographie beidseits ist für den 15.06.2026 vorgesehen. ", "text", "plan.1.what"),
        ("breast", "BREAST_PROSE", ", das Tumorbett mit simultan-integriertem Boost bis 58,8 Gy (Einzeldosis 2,1 Gy)", "dose", "course.1.volume.2.dose"),
        ("lung", "LUNG_LISTED", "\n- Vinorelbine, 25 mg/m², 2 cycles", "drug", "systemic.2.drug"),
        ("lung", "LUNG_LISTED", "Toxicity:\n- Oesophagitis, grade 3\n\n", "term", "toxicity.1.term"),
    ],
)  # fmt: skip
def test_an_important_fact_left_out_warns_once(chart: str, letter: str, dropped: str, kind: str, handle: str) -> None:
    text: str = getattr(verify_letters, letter)
    assert dropped in text

    findings = verify(text.replace(dropped, ""), getattr(verify_charts, chart)()).findings

    told = [(f.kind, f.type, f.span, f.chart and f.chart.handle) for f in findings if f.severity is WARN]
    assert told == [(FindingKind.OMITTED, kind, None, handle)]
