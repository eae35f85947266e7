"""ADT A01 at admission, ORU R01 with results, ADT A03 at discharge."""

from datetime import datetime, timedelta

from workers.training.synthetic.hl7.er7 import AUTHORITY, components, day, header, message, moment, segment, text
from workers.training.synthetic.hl7.results import result_segments
from workers.training.synthetic.people import case_number
from workers.training.synthetic.scenario import Scenario, Term

STRUCTURES = {"A01": "ADT_A01", "A03": "ADT_A03", "R01": "ORU_R01"}


def build_messages(case: Scenario) -> tuple[bytes, bytes, bytes]:
    """The three messages of a visit in their order of time."""
    stay = case.stay
    return (
        message(
            [
                *_head(case, "ADT", "A01", stay.start),
                *_allergies(case),
                *_diagnoses(case, [case.tumours[-1].name]),
            ]
        ),
        message([*_head(case, "ORU", "R01", stay.end - timedelta(minutes=30)), *result_segments(case)]),
        message(
            [
                *_head(case, "ADT", "A03", stay.end),
                *_allergies(case),
                *_diagnoses(case, [*(tumour.name for tumour in reversed(case.tumours)), *case.comorbidities]),
                *_procedures(case),
            ]
        ),
    )


def _head(case: Scenario, kind: str, trigger: str, at: datetime) -> list[str]:
    """MSH, EVN, PID, PV1. A result message has no EVN."""
    when = moment(at)
    rows = [
        header(
            {
                2: "^~\\&",
                3: "SYNTHETIC-EHR",
                4: "SYNTHETIC-HOSPITAL",
                5: "EPIKRISE",
                6: "RADIOTHERAPY",
                7: when,
                9: f"{kind}^{trigger}^{STRUCTURES[trigger]}",
                10: f"SYN{case_number(case.seed, case.lang, 31_415_927)}{trigger}",
                11: "P",
                12: "2.5.1",
                18: "UNICODE UTF-8",
            }
        )
    ]
    if kind == "ADT":
        rows.append(segment("EVN", {1: trigger, 2: when, 6: when}))
    return [*rows, _patient(case), _visit(case, discharged=trigger == "A03")]


def _patient(case: Scenario) -> str:
    patient = case.patient
    return segment(
        "PID",
        {
            1: "1",
            3: components(patient.mrn, None, None, AUTHORITY, "MR"),
            5: components(patient.family, patient.given, None, None, None, None, "L"),
            7: day(patient.birth_date),
            8: "F" if patient.sex == "female" else "M",
        },
    )


def _visit(case: Scenario, *, discharged: bool) -> str:
    stay = case.stay
    fields = {
        1: "1",
        2: "O" if stay.outpatient else "I",
        3: text(stay.ward),
        19: components(stay.visit_number, None, None, AUTHORITY, "VN"),
        44: moment(stay.start),
    }
    if stay.physician:
        name = stay.physician
        fields[7] = components(name.number, name.family, name.given, None, None, name.title)
    if discharged:
        fields |= {36: "01", 45: moment(stay.end)}
    return segment("PV1", fields)


def _diagnoses(case: Scenario, terms: list[Term]) -> list[str]:
    system = "I10G" if case.lang == "de" else "I10C"
    known = {tumour.name: tumour.date for tumour in case.tumours if tumour.date}
    return [
        segment(
            "DG1",
            {
                1: str(index),
                3: components(term.code, term.text, system),
                5: day(known.get(term, "")),
                6: "F",
                15: "1" if index == 1 else "2",
            },
        )
        for index, term in enumerate(terms, start=1)
    ]


def _allergies(case: Scenario) -> list[str]:
    return [
        segment("AL1", {1: str(index), 2: "MA", 3: components(term.code, term.text, "SCT" if term.code else None)})
        for index, term in enumerate(case.allergies or (), start=1)
    ]


def _procedures(case: Scenario) -> list[str]:
    system = "OPS" if case.lang == "de" else "SCT"
    return [
        segment(
            "PR1",
            {
                1: str(index),
                3: components(row.name.code, row.name.text, system if row.name.code else None),
                5: day(row.date),
            },
        )
        for index, row in enumerate(case.operations, start=1)
    ]
