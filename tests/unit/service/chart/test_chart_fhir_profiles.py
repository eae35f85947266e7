"""The same facts from ISiK, MII oncology, DKTK, CodeX RT, US Core and FR Core as from mCODE."""

from typing import Any

import pytest
from chart_inputs import (
    ICD10,
    LOINC,
    PATIENT,
    SNOMED,
    TERMINOLOGY,
    chart_of,
    coded,
    condition,
    encounter,
    observation,
    patient,
    resource,
    source,
    value,
    values,
)

MII = "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/StructureDefinition/"
MII_CODES = "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/CodeSystem/"
DKTK = "http://dktk.dkfz.de/fhir/StructureDefinition/onco-core-"
CODEX = "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition/"
MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/"
OPS = "http://fhir.de/CodeSystem/bfarm/ops"


def concept(url: str, code: str, system: str = MII_CODES + "x") -> dict[str, Any]:
    return {"url": url, "valueCodeableConcept": coded(system, code)}


def gray(url: str, amount: float, unit: str = "Gy") -> dict[str, Any]:
    return {"url": url, "valueQuantity": {"value": amount, "unit": unit}}


def procedure(identity: str = "st", **elements: Any) -> dict[str, Any]:
    row = {
        "status": "completed",
        "category": coded(SNOMED, "1287742003"),
        "code": coded(OPS, "8-52"),
        "subject": PATIENT,
        "performedPeriod": {"start": "2026-02-02", "end": "2026-03-12"},
    }
    return resource("Procedure", identity, **row | elements)


# ---------------------------------------------------------------- MII oncology and DKTK


def irradiation(
    url: str, *, site: str, dose: float, single: float, side: str = "R", boost: str = "N"
) -> dict[str, Any]:
    side_url = "SeiteZielgebiet" if url.startswith(DKTK) else "Zielgebiet_Lateralitaet"
    return {
        "url": url,
        "extension": [
            concept("Applikationsart", "P"),
            concept("Strahlenart", "UH"),
            concept("Zielgebiet", site),
            concept(side_url, side),
            gray("Gesamtdosis", dose),
            gray("Einzeldosis", single),
            concept("Boost", boost),
        ],
    }


@pytest.mark.parametrize(
    ("own", "intent", "related"),
    [
        (MII + "mii-ex-onko-strahlentherapie-bestrahlung", MII + "mii-ex-onko-strahlentherapie-intention", MII + "mii-ex-onko-strahlentherapie-stellung-zur-op"),
        (MII + "mii-ex-onko-strahlentherapie-bestrahlung", MII + "mii-ex-onko-strahlentherapie-intention", MII + "mii-ex-onko-strahlentherapie-stellungzurop"),
        (DKTK + "Extension-Bestrahlung", DKTK + "Extension-SYSTIntention", DKTK + "Extension-StellungZurOp"),
    ],
)  # fmt: skip
def test_irradiations_told_as_extensions_are_the_volumes_of_a_course(own: str, intent: str, related: str) -> None:
    chart = chart_of(
        patient(),
        procedure(
            extension=[
                concept(intent, "K"),
                concept(related, "A"),
                irradiation(own, site="3.1", dose=50.4, single=1.8),
                irradiation(own, site="3.2", dose=16, single=2, boost="SEQ"),
            ]
        ),
    )

    assert values(chart, "course") == {
        "course.1.intent": "adjuvant",
        "course.1.technique": "perkutane Radiotherapie, Photonen",
        "course.1.start": "2026-02-02",
        "course.1.end": "2026-03-12",
        "course.1.site": "Mamma (Ganzbrust) + Mamma (Teilbrust)",
        "course.1.side": "right",
        "course.1.status": "completed",
        "course.1.volume.1.name": "Mamma (Ganzbrust) rechts",
        "course.1.volume.1.dose": "50.4",
        "course.1.volume.1.dose_per_fraction": "1.8",
        "course.1.volume.2.name": "Mamma (Teilbrust) rechts, sequentieller Boost",
        "course.1.volume.2.dose": "16",
        "course.1.volume.2.dose_per_fraction": "2",
    }
    name = chart.get("course.1.volume.2.name")
    assert name and name.display.en == "right partial breast, sequential boost"
    parts = [part.rpartition(".extension('")[2].partition("'")[0] for part in name.source.split(" + ")]
    assert parts[0] == "Zielgebiet" and parts[2] == "Boost"
    assert (
        source(chart, "course.1.volume.2.dose") == f"Procedure/st#extension('{own}')[1].extension('Gesamtdosis').value"
    )
    assert values(chart, "procedure") == {}


def test_irradiations_told_as_procedures_of_their_own_are_the_volumes_too() -> None:
    def own(identity: str, site: str, dose: float, **elements: Any) -> dict[str, Any]:
        place = coded(MII_CODES + "mii-cs-onko-strahlentherapie-zielgebiet", site) | {
            "extension": [concept(MII + "mii-ex-onko-strahlentherapie-bestrahlung-seitenlokalisation", "L")]
        }
        return procedure(
            identity,
            bodySite=[place],
            usedCode=[coded(MII_CODES + "mii-cs-onko-strahlentherapie-strahlenart", "PN")],
            extension=[
                concept("http://hl7.org/fhir/StructureDefinition/procedure-method", "PRCJ"),
                gray(MII + "mii-ex-onko-strahlentherapie-bestrahlung-gesamtdosis", dose),
                gray(MII + "mii-ex-onko-strahlentherapie-bestrahlung-einzeldosis", 2),
            ],
            **elements,
        )

    whole = procedure("st", extension=[concept(MII + "mii-ex-onko-strahlentherapie-intention", "P")])
    parent = [{"reference": "Procedure/st"}]

    chart = chart_of(patient(), own("a", "3.4", 60, partOf=parent), own("b", "9.5", 50, partOf=parent), whole)

    assert values(chart, "course") == {
        "course.1.intent": "palliative",
        "course.1.technique": "perkutane Radiochemotherapie, Protonen",
        "course.1.start": "2026-02-02",
        "course.1.end": "2026-03-12",
        "course.1.site": "Lunge + mediastinale Lymphknoten",
        "course.1.side": "left",
        "course.1.status": "completed",
        "course.1.volume.1.name": "Lunge links",
        "course.1.volume.1.dose": "60",
        "course.1.volume.1.dose_per_fraction": "2",
        "course.1.volume.2.name": "mediastinale Lymphknoten links",
        "course.1.volume.2.dose": "50",
        "course.1.volume.2.dose_per_fraction": "2",
    }
    assert values(chart, "procedure") == {}


def test_an_irradiation_that_belongs_to_none_is_a_course_and_one_that_was_broken_off_is_told_so() -> None:
    alone = procedure(
        outcome=coded(MII_CODES + "mii-cs-therapie-grund-ende", "A"),
        partOf=[{"reference": "Observation/verlauf"}],
        extension=[gray(MII + "mii-ex-onko-strahlentherapie-bestrahlung-gesamtdosis", 3000, "cGy")],
    )

    chart = chart_of(patient(), alone)

    assert value(chart, "course.1.status") == "stopped"
    assert value(chart, "course.1.volume.1.dose") == "30"


def test_activity_of_nuclear_medicine_is_no_dose() -> None:
    own = MII + "mii-ex-onko-strahlentherapie-bestrahlung"
    told = procedure(
        extension=[{"url": own, "extension": [concept("Zielgebiet", "10.1"), gray("Gesamtdosis", 7.4, "GBq")]}]
    )

    chart = chart_of(patient(), told)

    assert value(chart, "course.1.volume.1.dose") is None
    assert any("unit" in warning for warning in chart.warnings)


def test_a_course_of_dktk_is_known_by_its_category_where_nothing_else_says() -> None:
    told = resource(
        "Procedure",
        "st",
        status="unknown",
        category=coded("http://dktk.dkfz.de/fhir/onco/core/CodeSystem/SYSTTherapieartCS", "ST"),
        subject=PATIENT,
        performedPeriod={"start": "2026-02-02", "end": "2026-03-12"},
        extension=[{"url": DKTK + "Extension-SYSTIntention", "valueCoding": {"code": "K", "system": "x"}}],
    )

    assert values(chart_of(patient(), told), "course") == {
        "course.1.intent": "curative",
        "course.1.start": "2026-02-02",
        "course.1.end": "2026-03-12",
    }


@pytest.mark.parametrize(
    ("code", "said", "prefix", "handle", "expected"),
    [
        ("399504009", "T2a", "c", "t", "cT2a"),
        ("384625004", "T2", None, "t", "pT2"),
        ("371494008", "N0", "p", "n", "pN0"),
        ("371497001", "M1a", None, "m", "pM1a"),
        ("78873005", "T3", "p", "t", "pT3"),
        ("277206009", "N1", None, "n", "N1"),
        ("399504009", "T1", "u", "t", "cT1"),
    ],
)
def test_categories_of_mii_are_told_with_their_prefix(
    code: str, said: str, prefix: str | None, handle: str, expected: str
) -> None:
    told = observation("1", code, system=SNOMED, valueCodeableConcept=coded("https://www.uicc.org/resources/tnm", said))
    if prefix:
        told["code"]["extension"] = [concept(MII + "mii-ex-onko-tnm-cp-praefix", prefix)]

    assert value(chart_of(patient(), condition(), told), f"diagnosis.1.{handle}") == expected


def test_dktk_tells_the_categories_as_components_of_the_stage() -> None:
    def part(code: str, said: str, prefix: str) -> dict[str, Any]:
        return {
            "extension": [concept(DKTK + "Extension-TNMcpuPraefix", prefix)],
            "code": coded(LOINC, code),
            "valueCodeableConcept": coded("http://dktk.dkfz.de/fhir/onco/core/CodeSystem/TNMTCS", said),
        }

    told = observation(
        "1",
        "21902-2",
        valueCodeableConcept=coded("http://dktk.dkfz.de/fhir/onco/core/CodeSystem/UiccstadiumCS", "IIA"),
        component=[part("21899-0", "2", "p"), part("21900-6", "1a", "p"), part("21901-4", "0", "c")],
    )

    chart = chart_of(patient(), condition(), told)

    assert value(chart, "diagnosis.1.tnm") == "pT2 pN1a cM0"
    assert value(chart, "diagnosis.1.stage") == "IIA"
    assert source(chart, "diagnosis.1.n") == "Observation/1#component[1].value"


def test_what_mii_tells_of_the_tumour_besides() -> None:
    tumour = condition(
        bodySite=[
            {
                "coding": [
                    {"system": SNOMED, "code": "76365002"},
                    {"system": MII_CODES + "mii-cs-onko-seitenlokalisation", "code": "R"},
                ]
            }
        ],
        extension=[
            concept(MII + "mii-ex-onko-histology-morphology-behavior-icdo3", "8500/3", "http://terminology.hl7.org/CodeSystem/icd-o-3")
        ],
    )  # fmt: skip
    grade = observation("g", "33732-9", valueCodeableConcept=coded(MII_CODES + "mii-cs-onko-grading", "3"))
    spread = [
        observation(code, "385421009", system=SNOMED, valueCodeableConcept=coded(MII_CODES + "f", code))
        for code in ("PUL", "OSS")
    ]
    state = observation(
        "e",
        "423690003",
        system=SNOMED,
        component=[
            {"code": coded(SNOMED, "423740007"), "valueCodeableConcept": coded(MII_CODES + "e", "1")},
            {"code": coded(SNOMED, "761869008"), "valueCodeableConcept": coded(MII_CODES + "k", "80%")},
        ],
    )
    effect = resource(
        "AdverseEvent",
        actuality="actual",
        subject=PATIENT,
        event=coded("https://www.meddra.org", "10016256"),
        severity=coded(MII_CODES + "g", "3"),
    )

    chart = chart_of(patient(), tumour, grade, *spread, state, effect)

    assert value(chart, "diagnosis.1.side") == "right"
    histology = chart.get("diagnosis.1.histology")
    assert histology and histology.display.de == "invasives Karzinom ohne speziellen Typ (NST)"
    assert value(chart, "diagnosis.1.grading") == "G3"
    assert [value(chart, f"diagnosis.1.marker.{number}") for number in (1, 2)] == [
        "Fernmetastasen: Lunge",
        "Fernmetastasen: Knochen",
    ]
    assert (value(chart, "performance.ecog"), value(chart, "performance.karnofsky")) == ("1", "80")
    assert (value(chart, "toxicity.1.term"), value(chart, "toxicity.1.grade")) == ("fatigue", "3")


def test_a_histology_told_as_a_finding_is_the_tumours_where_it_has_none() -> None:
    icdo = "http://terminology.hl7.org/CodeSystem/icd-o-3"
    told = observation("h", "59847-4", valueCodeableConcept=coded(icdo, "8520/3"))

    histology = chart_of(patient(), condition(), told).get("diagnosis.1.histology")

    assert histology and histology.display.de == "invasives lobuläres Karzinom"


def test_drugs_of_a_systemic_therapy_are_told_once() -> None:
    therapy = resource(
        "Procedure",
        "syst",
        status="completed",
        code={"coding": [{"system": MII_CODES + "mii-cs-onko-therapie-typ", "code": "CH", "display": "Chemotherapie"}]},
        subject=PATIENT,
        performedPeriod={"start": "2025-12-04", "end": "2026-01-06"},
    )
    drug = resource(
        "MedicationStatement",
        status="completed",
        subject=PATIENT,
        medicationCodeableConcept=coded("http://fhir.de/CodeSystem/bfarm/atc", "L01AA01", "Cyclophosphamid"),
        effectivePeriod={"start": "2025-12-04", "end": "2026-01-06"},
        partOf=[{"reference": "Procedure/syst"}],
    )

    chart = chart_of(patient(), therapy, drug)

    assert value(chart, "systemic.1.drug") == "Cyclophosphamid"
    assert values(chart, "procedure") == {}
    assert value(chart_of(patient(), therapy), "procedure.1.name") == "Chemotherapie"


# ---------------------------------------------------------------- ISiK


def isik_condition(certainty: str, side: str = "R") -> dict[str, Any]:
    marks = "http://fhir.de/StructureDefinition/"
    code = {
        "system": ICD10,
        "code": "C50.4",
        "extension": [
            {"url": marks + "seitenlokalisation", "valueCoding": {"code": side}},
            {"url": marks + "icd-10-gm-diagnosesicherheit", "valueCoding": {"code": certainty}},
        ],
    }
    return condition() | {"code": {"text": "Mammakarzinom", "coding": [code]}}


@pytest.mark.parametrize(
    ("certainty", "de", "en"),
    [
        ("G", "Mammakarzinom", "Mammakarzinom"),
        ("V", "Verdacht auf Mammakarzinom", "suspected Mammakarzinom"),
        ("Z", "Zustand nach Mammakarzinom", "history of Mammakarzinom"),
    ],
)
def test_isik_says_how_certain_a_diagnosis_is_and_on_which_side(certainty: str, de: str, en: str) -> None:
    chart = chart_of(patient(), isik_condition(certainty))

    name = chart.get("diagnosis.1.name")
    assert name and (name.display.de, name.display.en) == (de, en)
    assert value(chart, "diagnosis.1.side") == "right"


def test_an_excluded_diagnosis_is_none() -> None:
    assert values(chart_of(patient(), isik_condition("A")), "diagnosis") == {}


def test_isik_numbers_the_stay_by_the_identifier_of_type_vn() -> None:
    told = encounter(
        identifier=[
            {"system": "https://kh.example/konto", "value": "K9", "type": coded(TERMINOLOGY + "v2-0203", "AN")},
            {
                "system": "https://kh.example/fall",
                "value": "F4711",
                "type": {"coding": [{"code": "x"}, {"system": TERMINOLOGY + "v2-0203", "code": "VN"}]},
            },
        ]
    )

    assert value(chart_of(patient(), told), "visit.number") == "F4711"


def test_ops_of_radiotherapy_is_one_fraction_and_no_procedure_and_other_ops_is_one() -> None:
    def ops(identity: str, code: str, text: str) -> dict[str, Any]:
        return resource(
            "Procedure",
            identity,
            status="completed",
            code=coded(OPS, code, text),
            subject=PATIENT,
            performedDateTime="2026-02-02",
        )

    chart = chart_of(
        patient(), ops("1", "8-522.d1", "Hochvoltstrahlentherapie"), ops("2", "5-870.a1", "Segmentresektion")
    )

    assert values(chart, "procedure") == {"procedure.1.name": "Segmentresektion", "procedure.1.date": "2026-02-02"}
    assert values(chart, "course") == {}


# ---------------------------------------------------------------- CodeX RT, US Core, FR Core


@pytest.mark.parametrize("nested", [MCODE + "mcode-radiotherapy-{}", "{}"])
def test_codex_tells_what_mcode_tells_in_either_spelling_of_its_extensions(nested: str) -> None:
    told = resource(
        "Procedure",
        "c",
        status="completed",
        code=coded(SNOMED, "1217123003"),
        subject=PATIENT,
        performedPeriod={"start": "2026-02-02", "end": "2026-03-12"},
        bodySite=[coded(SNOMED, "41216001")],
        extension=[
            {"url": MCODE + "mcode-procedure-intent", "valueCodeableConcept": coded(SNOMED, "373808002")},
            {
                "url": MCODE + "mcode-radiotherapy-modality-and-technique",
                "extension": [
                    {"url": nested.format("modality"), "valueCodeableConcept": coded(SNOMED, "1156506007")},
                    {"url": nested.format("technique"), "valueCodeableConcept": coded(SNOMED, "441799006")},
                ],
            },
            {"url": CODEX + "codexrt-radiotherapy-sessions", "valueUnsignedInt": 20},
            {
                "url": MCODE + "mcode-radiotherapy-dose-delivered-to-volume",
                "extension": [
                    {"url": "volume", "valueReference": {"reference": "BodyStructure/p", "display": "Prostata"}},
                    {"url": CODEX + "codexrt-radiotherapy-uniform-fractionation", "valueBoolean": True},
                    {"url": "totalDoseDelivered", "valueQuantity": {"value": 6000, "code": "cGy"}},
                    {"url": "fractionsDelivered", "valueUnsignedInt": 20},
                ],
            },
        ],
    )

    chart = chart_of(patient(), told)

    assert values(chart, "course.1.volume") == {
        "course.1.volume.1.name": "Prostata",
        "course.1.volume.1.dose": "60",
        "course.1.volume.1.dose_per_fraction": "3",
        "course.1.volume.1.fractions": "20",
    }
    assert (value(chart, "course.1.technique"), value(chart, "course.1.fractions")) == ("IMRT", "20")
    (converted,) = chart.warnings
    assert converted.endswith(".extension('totalDoseDelivered').value: dose in cGy, told in Gy")


def test_us_core_patients_and_drugs() -> None:
    person = patient(
        extension=[{"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [{"url": "text", "valueString": "x"}]}]
    )  # fmt: skip
    tumour = condition() | {"code": coded("http://hl7.org/fhir/sid/icd-10-cm", "C61", "Prostate cancer")}
    chemo = resource(
        "MedicationRequest",
        "1",
        status="completed",
        intent="order",
        subject=PATIENT,
        meta={"profile": [MCODE + "mcode-cancer-related-medication-request|4.0.0"]},
        medicationCodeableConcept=coded("http://www.nlm.nih.gov/research/umls/rxnorm", "72962", "docetaxel"),
    )
    home = resource(
        "MedicationRequest",
        "2",
        status="active",
        intent="order",
        subject=PATIENT,
        category=[coded(TERMINOLOGY + "medicationrequest-category", "discharge")],
        medicationCodeableConcept={
            "coding": [
                {"system": "http://hl7.org/fhir/sid/ndc", "code": "0000-0000-00", "display": "tamsulosin 0.4 mg"}
            ]
        },
    )

    chart = chart_of(person, tumour, chemo, home)

    assert value(chart, "diagnosis.1.icd10") == "C61"
    assert value(chart, "systemic.1.drug") == "docetaxel"
    assert value(chart, "medication.1.drug") == "tamsulosin 0.4 mg"
    assert chart.warnings == ()


def test_fr_core_patients_diagnoses_procedures_and_drugs() -> None:
    ins = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
    person = patient(
        identifier=[
            {"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "260058815400233", "type": coded(ins, "INS-NIR")},
            {"system": "https://hopital.example/ipp", "value": "4711", "type": coded(TERMINOLOGY + "v2-0203", "PI")},
        ]
    )
    tumour = condition() | {"code": coded("https://smt.esante.gouv.fr/terminologie-cim-10", "C50.4", "Cancer du sein")}
    surgery = resource(
        "Procedure",
        status="completed",
        code=coded("https://smt.esante.gouv.fr/terminologie-ccam", "QEFA004", "Tumorectomie du sein"),
        subject=PATIENT,
        performedDateTime="2025-12-03",
    )
    drug = resource(
        "MedicationAdministration",
        status="completed",
        subject=PATIENT,
        medicationCodeableConcept={
            "text": "Paclitaxel",
            "coding": [
                {"system": "https://smt.esante.gouv.fr/terminologie-cip_ucd", "code": "9000000"},
                {"system": "https://smt.esante.gouv.fr/terminologie-atc", "code": "L01CD01"},
            ],
        },
        effectiveDateTime="2026-01-05",
    )

    chart = chart_of(person, tumour, surgery, drug)

    assert value(chart, "patient.id") == "4711"
    assert value(chart, "diagnosis.1.icd10") == "C50.4"
    assert value(chart, "procedure.1.name") == "Tumorectomie du sein"
    assert value(chart, "systemic.1.drug") == "Paclitaxel"
