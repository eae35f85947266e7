"""FHIR and HL7 v2 about one visit: one item for each thing, FHIR's value, a conflict where HL7's is another."""

from typing import Any

import pytest
from chart_inputs import (
    ATC,
    LOINC,
    PID,
    PV1,
    SNOMED,
    chart_of,
    coded,
    condition,
    course,
    dose,
    encounter,
    laboratory,
    message,
    observation,
    obx,
    patient,
    resource,
    rt,
    sessions,
    source,
    value,
    values,
)


def hl7_course(**told: str) -> Any:
    codes = {"start": "RT-COURSE-START", "end": "RT-COURSE-END", "site": "RT-SITE", "side": "RT-SIDE"}
    rows = [
        rt(codes[name], text, kind="DT" if name in ("start", "end") else "ST")
        for name, text in told.items()
        if name in codes
    ]
    rows += [rt("RT-FRACTIONS", told["fractions"], kind="NM")] if "fractions" in told else []
    rows += [rt("RT-VOLUME-NAME", told["volume"], sub="1.1")] if "volume" in told else []
    rows += [rt("RT-VOLUME-DOSE", told["dose"], kind="NM", sub="1.1", unit="Gy")] if "dose" in told else []
    return message(*rows, kind="ORU^R01")


BREAST = {
    "start": "20260202",
    "end": "20260312",
    "site": "Mamma",
    "side": "right",
    "fractions": "28",
    "volume": "Mamma rechts",
    "dose": "50.4",
}
FHIR_BREAST = course(extension=[sessions(28), dose("Mamma rechts", 50.4, fractions=28)])


@pytest.mark.parametrize(
    ("change", "handle"),
    [
        ({"start": "20260203"}, "course.1.start"),
        ({"end": "20260311"}, "course.1.end"),
        ({"side": "left"}, "course.1.side"),
        ({"fractions": "27"}, "course.1.fractions"),
        ({"dose": "48.6"}, "course.1.volume.1.dose"),
    ],
)
def test_a_course_told_otherwise_by_hl7_is_one_course_and_a_conflict(change: dict[str, str], handle: str) -> None:
    alone = chart_of(FHIR_BREAST)

    chart = chart_of(FHIR_BREAST, messages=(hl7_course(**BREAST | change),))

    assert values(chart) == values(alone)
    (conflict,) = chart.conflicts
    assert conflict.handle == handle
    assert conflict.values[0] == value(alone, handle)
    assert conflict.sources[0].startswith("Procedure/7#")
    assert conflict.sources[1].startswith("M1#OBX[")
    assert any(warning.startswith(f"{handle}: sources disagree") for warning in chart.warnings)


def test_other_words_for_place_and_volume_make_no_second_course_or_volume() -> None:
    told = BREAST | {"site": "rechte Brust", "volume": "PTV1"}

    chart = chart_of(FHIR_BREAST, messages=(hl7_course(**told),))

    assert values(chart) == values(chart_of(FHIR_BREAST))
    assert chart.conflicts == ()


def test_a_course_of_another_time_or_of_another_place_at_the_same_time_is_another() -> None:
    earlier = BREAST | {"start": "20190506", "end": "20190607"}
    elsewhere = {
        "start": "20260202",
        "end": "20260312",
        "site": "Becken",
        "side": "left",
        "volume": "Hüfte",
        "dose": "30",
    }

    for told in (earlier, elsewhere):
        chart = chart_of(FHIR_BREAST, messages=(hl7_course(**told),))

        assert value(chart, "course.1.volume.1.name") == "Mamma rechts"
        assert value(chart, "course.2.start") == f"{told['start'][:4]}-{told['start'][4:6]}-{told['start'][6:]}"
        assert chart.conflicts == ()


def test_what_was_delivered_by_hl7_stands_before_what_was_planned_in_fhir() -> None:
    order = resource(
        "ServiceRequest",
        "5",
        status="active",
        intent="order",
        code=coded(SNOMED, "1217123003"),
        bodySite=[coded(SNOMED, "76752008", "Mamma")],
        occurrencePeriod={"start": "2026-02-02"},
        extension=[dose("Mamma rechts", 60.0)],
    )

    chart = chart_of(order, messages=(hl7_course(**BREAST),))

    assert value(chart, "course.1.volume.1.dose") == "50.4"
    assert values(chart, "course.2") == {}


def test_phases_of_two_fractionations_get_no_mean_dose_per_fraction_from_hl7() -> None:
    def phase(identity: str, amount: float, count: int) -> Any:
        return course(
            identity,
            code=coded(SNOMED, "1222565005"),
            extension=[dose("Prostata", amount, fractions=count)],
            partOf=[{"reference": "Procedure/7"}],
        )

    resources = [course(extension=[]), phase("a", 40, 20), phase("b", 24, 8)]
    rows = [
        rt("RT-COURSE-START", "20260202", kind="DT"),
        rt("RT-VOLUME-NAME", "Prostata", sub="1.1"),
        rt("RT-VOLUME-DOSE", "64", kind="NM", sub="1.1", unit="Gy"),
        rt("RT-VOLUME-FRACTIONS", "28", kind="NM", sub="1.1"),
    ]

    chart = chart_of(*resources, messages=(message(*rows, kind="ORU^R01"),))

    assert value(chart, "course.1.volume.1.dose_per_fraction") is None
    assert values(chart) == values(chart_of(*resources))


def test_a_diagnosis_is_the_same_by_its_code_however_it_is_written() -> None:
    chart = chart_of(condition(), messages=(message("DG1|1||C504R^Brustkrebs rechts^I10G"),))

    assert values(chart) == {
        "diagnosis.1.name": "Mammakarzinom",
        "diagnosis.1.icd10": "C50.4",
        "diagnosis.1.side": "right",
    }
    assert source(chart, "diagnosis.1.side") == "M1#DG1[1]-3[1].1"
    assert [conflict.handle for conflict in chart.conflicts] == []


def test_a_side_that_hl7_tells_otherwise_is_a_conflict_and_a_second_side_beside_the_first_another_tumour() -> None:
    right = condition(bodySite=[coded(SNOMED, "73056007")])
    left, both_sides = "DG1|1||C50.4 L^Mamma^I10G", "DG1|2||C50.4 R^Mamma^I10G"

    flipped = chart_of(right | {"bodySite": [coded(SNOMED, "73056007", "rechte Mamma")]}, messages=(message(left),))
    two = chart_of(
        right | {"bodySite": [coded(SNOMED, "73056007", "rechte Mamma")]}, messages=(message(left, both_sides),)
    )

    assert [conflict.handle for conflict in flipped.conflicts] == ["diagnosis.1.side"]
    assert value(flipped, "diagnosis.1.side") == "right"
    assert two.conflicts == ()
    assert [value(two, f"diagnosis.{number}.side") for number in (1, 2)] == ["right", "left"]


def test_what_only_hl7_tells_is_numbered_behind_what_fhir_tells() -> None:
    listed = coded("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")
    chart = chart_of(
        condition(code="I10.00", text="Hypertonie", category=[listed]),
        messages=(message("DG1|1||E11.90^Diabetes^I10G|||F|||||||||1", "DG1|2||I10.00^RR^I10G|||F"),),
    )

    assert value(chart, "comorbidity.1.icd10") == "I10.00"
    assert "E11.90" in values(chart).values()


def lab_of(when: str, amount: float) -> Any:
    return observation(
        "l",
        "718-7",
        text="Hb",
        category=laboratory(),
        valueQuantity={"value": amount, "code": "g/dL"},
        effectiveDateTime=when,
    )


def hl7_lab(when: str, amount: str) -> Any:
    return message(f"OBR|1|||LAB|||{when}", obx("718-7^Hb^LN", amount, kind="NM", unit="g/dl"), kind="ORU^R01")


@pytest.mark.parametrize(
    ("fhir", "hl7"),
    [
        ("2026-03-12T07:30:00+01:00", "20260312073000+0100"),
        ("2026-03-12T06:30:00Z", "20260312073000"),
        ("2026-03-12", "20260312073000+0100"),
        ("2026-03-12T07:30:00+01:00", "20260312"),
    ],
)
def test_a_lab_value_of_one_time_is_one_value(fhir: str, hl7: str) -> None:
    chart = chart_of(lab_of(fhir, 10.2), messages=(hl7_lab(hl7, "10,2"),))

    assert values(chart) == values(chart_of(lab_of(fhir, 10.2)))
    assert chart.conflicts == ()


def test_a_lab_value_told_otherwise_is_a_conflict() -> None:
    chart = chart_of(lab_of("2026-03-12T07:30:00+01:00", 10.2), messages=(hl7_lab("20260312073000+0100", "9.1"),))

    (conflict,) = chart.conflicts
    assert (conflict.handle, conflict.values) == ("lab.1.value", ("10.2", "9.1"))
    assert value(chart, "lab.1.value") == "10.2"


def test_a_lab_value_of_another_day_is_another_and_a_later_one_of_the_day_stands() -> None:
    another = chart_of(lab_of("2026-03-11T07:30:00+01:00", 10.2), messages=(hl7_lab("20260312073000+0100", "9.1"),))
    later = chart_of(lab_of("2026-03-12T07:30:00+01:00", 10.2), messages=(hl7_lab("20260312180000+0100", "9.1"),))

    assert [value(another, f"lab.{number}.value") for number in (1, 2)] == ["10.2", "9.1"]
    assert values(later, "lab.1.value") | values(later, "lab.2") == {"lab.1.value": "9.1"}


def test_patient_and_stay_told_twice_are_one_and_a_difference_is_a_conflict() -> None:
    same = chart_of(patient(), encounter(), messages=(message(PID, PV1),))
    other = chart_of(patient(), encounter(), messages=(message(PID.replace("19610504", "19610405"), PV1),))

    assert same.conflicts == ()
    assert [conflict.handle for conflict in other.conflicts] == ["patient.birth_date"]
    assert value(other, "patient.birth_date") == "1961-05-04"


def test_a_second_given_name_in_one_channel_alone_is_no_conflict() -> None:
    chart = chart_of(patient(), messages=(message(PID.replace("Erika^", "Erika^Maria")),))

    assert chart.conflicts == ()
    assert value(chart, "patient.name") == "Erika Muster"


def test_the_age_is_told_where_one_channel_knows_the_birth_and_the_other_the_discharge() -> None:
    chart = chart_of(patient(), messages=(message(PV1 + "|20260313"),))

    assert value(chart, "patient.age") == "64"
    assert source(chart, "patient.age") == "Patient/1#birthDate + M1#PV1[1]-45[1]"


def test_a_more_precise_date_is_taken_and_is_no_conflict() -> None:
    chart = chart_of(condition(onsetDateTime="2025-11"), messages=(message("DG1|1||C50.4^Mamma^I10G||20251103"),))

    assert value(chart, "diagnosis.1.date") == "2025-11-03"
    assert chart.conflicts == ()


def test_procedures_allergies_toxicity_and_drugs_told_twice_are_one_each() -> None:
    resources = [
        resource(
            "Procedure", status="completed", code=coded(SNOMED, "392021009", "BET"), performedDateTime="2025-12-03"
        ),
        resource("AllergyIntolerance", code=coded(SNOMED, "764146007", "Penicillin G")),
        resource(
            "AdverseEvent",
            event=coded("https://www.meddra.org", "10061103", "Dermatitis"),
            date="2026-03-05",
            extension=[{"url": "http://hl7.org/fhir/us/ctcae/StructureDefinition/ctcae-grade", "valueInteger": 2}],
        ),
        resource(
            "MedicationStatement",
            medicationCodeableConcept=coded(ATC, "L01XA01", "Cisplatin Teva"),
            dosage=[{"doseAndRate": [{"doseQuantity": {"value": 40, "code": "mg/m2"}}]}],
        ),
    ]
    told = message(
        "PR1|1||392021009^brusterhaltende Operation^SCT||202512030930",
        "AL1|1|DA|764146007^Penicillin^SCT",
        "OBR|1|||X|||20260305",
        obx("10061103^Radiodermatitis^MDR", "2", kind="NM"),
        "RXA|0|1|20260105||L01XA01^Cisplatin^ATC|70|mg",
    )

    chart = chart_of(*resources, messages=(told,))

    added = values(chart).items() - values(chart_of(*resources)).items()
    assert dict(added) == {"systemic.1.start": "2026-01-05", "systemic.1.end": "2026-01-05"}
    assert chart.conflicts == ()


def test_an_appointment_told_twice_is_one() -> None:
    fhir = resource("Appointment", status="booked", start="2026-04-20T10:30:00+02:00", description="Nachsorge")
    siu = message("SCH|1", "AIS|1||N^Nachsorge|20260420103000+0200", kind="SIU^S12")

    assert values(chart_of(fhir, messages=(siu,))) == values(chart_of(fhir))


def test_an_allergy_in_one_channel_and_none_known_in_the_other_is_a_conflict_that_keeps_both() -> None:
    none = resource("AllergyIntolerance", code=coded(SNOMED, "716186003"))

    chart = chart_of(none, messages=(message("AL1|1|DA|764146007^Penicillin^SCT"),))

    assert set(values(chart).values()) == {"no known allergies", "Penicillin"}
    assert [conflict.values for conflict in chart.conflicts] == [("no known allergies", "Penicillin")]


def test_staging_that_hl7_tells_joins_the_leading_diagnosis() -> None:
    resources = [condition(), observation("t", "21905-5", valueCodeableConcept={"text": "cT2"})]

    agreeing = chart_of(*resources, messages=(message(obx("21905-5^^LN", "cT2"), obx("21906-3^^LN", "cN1")),))
    pathological = chart_of(*resources, messages=(message(obx("21899-0^^LN", "pT1c")),))
    against = chart_of(*resources, messages=(message(obx("21905-5^^LN", "cT3")),))

    assert value(agreeing, "diagnosis.1.tnm") == "cT2 cN1"
    assert (value(pathological, "diagnosis.1.t"), pathological.conflicts) == ("pT1c", ())
    assert value(against, "diagnosis.1.t") == "cT2"
    assert [conflict.handle for conflict in against.conflicts] == ["diagnosis.1.t"]


def test_messages_of_another_visit_than_the_encounter_are_left_out() -> None:
    chart = chart_of(patient(), encounter(), messages=(message(PID, PV1.replace("F1^", "F9^"), "DG1|1||C61^X^I10G"),))

    assert "C61" not in values(chart).values()
    assert chart.warnings == ("M1: message of another visit or patient, left out",)


def test_among_several_encounters_the_messages_choose_theirs() -> None:
    newer = encounter("2", number="F2", period={"start": "2026-05-01", "end": "2026-05-09"})

    chart = chart_of(patient(), encounter(), newer, messages=(message(PID, PV1),))

    assert value(chart, "visit.number") == "F1"


def test_a_performance_score_told_twice_is_one() -> None:
    ecog = observation("e", "89247-1", system=LOINC, valueInteger=1)

    assert values(chart_of(ecog, messages=(message(obx("89247-1^^LN", "1")),))) == {"performance.ecog": "1"}
