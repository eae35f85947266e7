"""Three synthetic charts, made of facts directly: breast (German), lung (English), prostate (German)."""

from service.model import Chart, Display, Fact, FactType, Importance

_MONTHS_EN = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]  # fmt: skip
_HIGH = Importance.HIGH
_LOW = Importance.LOW
T = FactType


def fact(
    handle: str,
    fact_type: FactType,
    value: str,
    de: str | None = None,
    en: str | None = None,
    *,
    unit: str | None = None,
    importance: Importance = Importance.NORMAL,
) -> Fact:
    shown = de if de is not None else value
    return Fact(
        handle=handle,
        type=fact_type,
        value=value,
        display=Display(de=shown, en=en if en is not None else shown),
        source=f"Test/{handle.split('.', maxsplit=1)[0]}#{handle}",
        unit=unit,
        importance=importance,
    )


def date(handle: str, iso: str, importance: Importance = Importance.NORMAL) -> Fact:
    year, month, day = iso.split("-")
    return fact(
        handle,
        T.DATE,
        iso,
        f"{day}.{month}.{year}",
        f"{int(day)} {_MONTHS_EN[int(month) - 1]} {year}",
        importance=importance,
    )


def dose(handle: str, gray: str, importance: Importance = _HIGH) -> Fact:
    kind = T.DOSE_PER_FRACTION if handle.endswith("per_fraction") else T.DOSE
    return fact(
        handle, kind, gray, gray.replace(".", ",") + " Gy", gray + " Gy", unit="Gy",
        importance=importance if kind is T.DOSE else Importance.NORMAL,
    )  # fmt: skip


def patient(*, family: str, given: str, sex: str, birth: str, age: str, number: str) -> list[Fact]:
    woman = sex == "female"
    return [
        fact("patient.name", T.NAME, f"{given} {family}", importance=_HIGH),
        fact("patient.family", T.NAME, family),
        fact("patient.given", T.NAME, given),
        date("patient.birth_date", birth),
        fact("patient.age", T.AGE, age),
        fact("patient.sex", T.SEX, sex, "weiblich" if woman else "männlich", sex),
        fact("patient.salutation", T.SALUTATION, sex, "Frau" if woman else "Herr", "Ms" if woman else "Mr"),
        fact("patient.id", T.IDENTIFIER, number, importance=_LOW),
    ]


def breast() -> Chart:
    return Chart(
        facts=(
            *patient(family="Lindenberger", given="Anna", sex="female", birth="1961-04-03", age="64", number="4711082"),
            fact("visit.number", T.IDENTIFIER, "2026001877", importance=_LOW),
            date("visit.start", "2026-02-01", _LOW),
            date("visit.end", "2026-03-20"),
            fact("visit.physician", T.NAME, "Dr. Karin Wolters", importance=_LOW),
            fact("diagnosis.1.name", T.TERM, "Mammakarzinom rechts", "Mammakarzinom rechts", "carcinoma of the right breast", importance=_HIGH),
            fact("diagnosis.1.icd10", T.ICD10, "C50.4"),
            fact("diagnosis.1.side", T.LATERALITY, "right", "rechts", "right"),
            fact("diagnosis.1.histology", T.TERM, "invasives duktales Karzinom", "invasives duktales Karzinom", "invasive ductal carcinoma"),
            date("diagnosis.1.date", "2025-11-12"),
            fact("diagnosis.1.t", T.TNM, "pT1c"),
            fact("diagnosis.1.n", T.TNM, "pN0"),
            fact("diagnosis.1.m", T.TNM, "cM0"),
            fact("diagnosis.1.tnm", T.TNM, "pT1c pN0 cM0"),
            fact("diagnosis.1.stage", T.STAGE, "IA"),
            fact("diagnosis.1.grading", T.GRADING, "G2"),
            fact("diagnosis.1.marker.1", T.TEXT, "ER positiv (90 %)", "ER positiv (90 %)", "ER positive (90%)"),
            fact("diagnosis.1.marker.2", T.TEXT, "HER2 negativ", "HER2 negativ", "HER2 negative"),
            fact("comorbidity.1.name", T.TERM, "Arterielle Hypertonie", "Arterielle Hypertonie", "Arterial hypertension"),
            fact("comorbidity.1.icd10", T.ICD10, "I10.00"),
            fact("comorbidity.2.name", T.TERM, "Hypothyreose", "Hypothyreose", "Hypothyroidism"),
            fact("comorbidity.2.icd10", T.ICD10, "E03.9"),
            fact("course.1.intent", T.INTENT, "adjuvant", "adjuvant", "adjuvant"),
            fact("course.1.technique", T.TERM, "IMRT", "IMRT", "IMRT"),
            date("course.1.start", "2026-02-02", _HIGH),
            date("course.1.end", "2026-03-11", _HIGH),
            fact("course.1.site", T.TERM, "Mamma", "Mamma", "breast"),
            fact("course.1.side", T.LATERALITY, "right", "rechts", "right"),
            fact("course.1.fractions", T.FRACTIONS, "28", importance=_HIGH),
            fact("course.1.status", T.STATUS, "completed", "abgeschlossen", "completed"),
            fact("course.1.volume.1.name", T.TERM, "Mamma rechts", "Mamma rechts", "right breast"),
            dose("course.1.volume.1.dose", "50.4"),
            dose("course.1.volume.1.dose_per_fraction", "1.8"),
            fact("course.1.volume.1.fractions", T.FRACTIONS, "28"),
            fact("course.1.volume.2.name", T.TERM, "Boost Tumorbett", "Boost Tumorbett", "tumour bed boost"),
            dose("course.1.volume.2.dose", "58.8"),
            dose("course.1.volume.2.dose_per_fraction", "2.1"),
            fact("course.1.volume.2.fractions", T.FRACTIONS, "28"),
            fact("systemic.1.drug", T.DRUG, "Letrozol", "Letrozol", "Letrozole", importance=_HIGH),
            fact("systemic.1.dose", T.DRUG_DOSE, "2.5", "2,5 mg", "2.5 mg", unit="mg"),
            fact("procedure.1.name", T.TERM, "Brusterhaltende Operation mit Sentinel-Lymphknotenbiopsie", en="Breast-conserving surgery with sentinel node biopsy"),
            date("procedure.1.date", "2025-12-09"),
            fact("toxicity.1.term", T.TERM, "Radiodermatitis", "Radiodermatitis", "Radiation dermatitis"),
            fact("toxicity.1.grade", T.GRADE, "2"),
            fact("toxicity.2.term", T.TERM, "Fatigue", "Fatigue", "Fatigue"),
            fact("toxicity.2.grade", T.GRADE, "1"),
            fact("performance.ecog", T.PERFORMANCE, "1"),
            fact("lab.1.name", T.TERM, "Hämoglobin", "Hämoglobin", "Haemoglobin", importance=_LOW),
            fact("lab.1.value", T.LAB, "12.4", "12,4 g/dl", "12.4 g/dl", unit="g/dL", importance=_LOW),
            date("lab.1.date", "2026-03-09", _LOW),
            fact("medication.1.drug", T.DRUG, "Ramipril", importance=_HIGH),
            fact("medication.1.dose", T.DRUG_DOSE, "5", "5 mg", unit="mg"),
            fact("medication.1.schedule", T.SCHEDULE, "1-0-0"),
            fact("medication.2.drug", T.DRUG, "L-Thyroxin", importance=_HIGH),
            fact("medication.2.dose", T.DRUG_DOSE, "75", "75 µg", unit="ug"),
            fact("medication.2.schedule", T.SCHEDULE, "1-0-0"),
            fact("allergy.1.name", T.ALLERGY, "Penicillin", importance=_HIGH),
            date("appointment.1.date", "2026-04-24", _HIGH),
            fact("appointment.1.time", T.TIME, "09:30", "09:30 Uhr", "09:30"),
            fact("appointment.1.place", T.TEXT, "Ambulanz der Strahlenklinik"),
            fact("plan.1.what", T.TEXT, "Mammographie beidseits", en="Bilateral mammography", importance=_HIGH),
            date("plan.1.date", "2026-06-15"),
        )
    )  # fmt: skip


def lung() -> Chart:
    return Chart(
        facts=(
            *patient(family="Ashworth", given="Graham", sex="male", birth="1957-08-21", age="68", number="RX-204418"),
            date("visit.start", "2026-01-08"),
            date("visit.end", "2026-02-27"),
            fact("diagnosis.1.name", T.TERM, "Adenokarzinom des linken Oberlappens", en="adenocarcinoma of the left upper lobe", importance=_HIGH),
            fact("diagnosis.1.icd10", T.ICD10, "C34.1"),
            fact("diagnosis.1.side", T.LATERALITY, "left", "links", "left"),
            date("diagnosis.1.date", "2025-12-01"),
            fact("diagnosis.1.t", T.TNM, "cT2b"),
            fact("diagnosis.1.n", T.TNM, "cN2"),
            fact("diagnosis.1.m", T.TNM, "cM0"),
            fact("diagnosis.1.stage", T.STAGE, "IIIA"),
            fact("diagnosis.1.marker.1", T.TEXT, "PD-L1 60 %", en="PD-L1 60%"),
            fact("comorbidity.1.name", T.TERM, "COPD", importance=Importance.NORMAL),
            fact("comorbidity.1.icd10", T.ICD10, "J44.9"),
            fact("course.1.intent", T.INTENT, "curative", "kurativ", "curative"),
            date("course.1.start", "2026-01-12", _HIGH),
            date("course.1.end", "2026-02-20", _HIGH),
            fact("course.1.site", T.TERM, "Lunge", "Lunge", "lung"),
            fact("course.1.side", T.LATERALITY, "left", "links", "left"),
            fact("course.1.fractions", T.FRACTIONS, "30", importance=_HIGH),
            fact("course.1.status", T.STATUS, "completed", "abgeschlossen", "completed"),
            fact("course.1.volume.1.name", T.TERM, "Primärtumor", "Primärtumor", "primary tumour"),
            dose("course.1.volume.1.dose", "60"),
            dose("course.1.volume.1.dose_per_fraction", "2"),
            fact("course.1.volume.2.name", T.TERM, "Mediastinale Lymphknoten", en="mediastinal lymph nodes"),
            dose("course.1.volume.2.dose", "54"),
            dose("course.1.volume.2.dose_per_fraction", "1.8"),
            fact("systemic.1.drug", T.DRUG, "Cisplatin", importance=_HIGH),
            fact("systemic.1.dose", T.DRUG_DOSE, "75", "75 mg/m²", unit="mg/m2"),
            fact("systemic.1.cycles", T.CYCLES, "2"),
            date("systemic.1.start", "2026-01-12"),
            fact("systemic.2.drug", T.DRUG, "Vinorelbin", "Vinorelbin", "Vinorelbine", importance=_HIGH),
            fact("systemic.2.dose", T.DRUG_DOSE, "25", "25 mg/m²", unit="mg/m2"),
            fact("toxicity.1.term", T.TERM, "Ösophagitis", "Ösophagitis", "Oesophagitis", importance=_HIGH),
            fact("toxicity.1.grade", T.GRADE, "3", importance=_HIGH),
            fact("performance.ecog", T.PERFORMANCE, "0"),
            fact("performance.karnofsky", T.PERFORMANCE, "90", "90 %", "90%"),
            fact("medication.1.drug", T.DRUG, "Pantoprazol", "Pantoprazol", "Pantoprazole", importance=_HIGH),
            fact("medication.1.dose", T.DRUG_DOSE, "40", "40 mg", unit="mg"),
            fact("medication.1.schedule", T.SCHEDULE, "1-0-0"),
            fact("medication.2.drug", T.DRUG, "Tiotropium", importance=_HIGH),
            date("appointment.1.date", "2026-04-09", _HIGH),
            fact("appointment.1.time", T.TIME, "14:00", "14:00 Uhr", "14:00"),
            fact("appointment.1.place", T.TEXT, "Pneumologische Ambulanz", en="chest clinic"),
            fact("plan.1.what", T.TEXT, "CT Thorax", en="CT of the chest", importance=_HIGH),
            date("plan.1.date", "2026-04-02"),
        )
    )  # fmt: skip


def prostate() -> Chart:
    return Chart(
        facts=(
            *patient(family="von Östringen", given="Karl-Heinz", sex="male", birth="1951-12-30", age="74", number="90817263"),
            date("visit.start", "2026-03-02"),
            date("visit.end", "2026-04-28"),
            fact("diagnosis.1.name", T.TERM, "Prostatakarzinom", en="prostate cancer", importance=_HIGH),
            fact("diagnosis.1.icd10", T.ICD10, "C61"),
            date("diagnosis.1.date", "2025-10-06"),
            fact("diagnosis.1.t", T.TNM, "cT2c"),
            fact("diagnosis.1.n", T.TNM, "cN0"),
            fact("diagnosis.1.m", T.TNM, "cM0"),
            fact("diagnosis.1.marker.1", T.TEXT, "Gleason 4+3=7"),
            fact("diagnosis.1.marker.2", T.TEXT, "iPSA 14,2 ng/ml", en="iPSA 14.2 ng/ml"),
            fact("comorbidity.1.name", T.TERM, "Diabetes mellitus Typ 2", en="Type 2 diabetes mellitus"),
            fact("comorbidity.1.icd10", T.ICD10, "E11.90"),
            date("course.1.start", "2026-03-03", _HIGH),
            date("course.1.end", "2026-04-24", _HIGH),
            fact("course.1.intent", T.INTENT, "curative", "kurativ", "curative"),
            fact("course.1.technique", T.TERM, "VMAT"),
            fact("course.1.site", T.TERM, "Prostata", "Prostata", "prostate"),
            fact("course.1.fractions", T.FRACTIONS, "37", importance=_HIGH),
            fact("course.1.volume.1.name", T.TERM, "Prostata und Samenblasen", en="prostate and seminal vesicles"),
            dose("course.1.volume.1.dose", "50"),
            dose("course.1.volume.1.dose_per_fraction", "2"),
            fact("course.1.volume.1.fractions", T.FRACTIONS, "25"),
            fact("course.1.volume.2.name", T.TERM, "Boost Prostata", en="prostate boost"),
            dose("course.1.volume.2.dose", "24"),
            dose("course.1.volume.2.dose_per_fraction", "2"),
            fact("course.1.volume.2.fractions", T.FRACTIONS, "12"),
            fact("systemic.1.drug", T.DRUG, "Leuprorelin", importance=_HIGH),
            fact("systemic.1.dose", T.DRUG_DOSE, "11.25", "11,25 mg", "11.25 mg", unit="mg"),
            fact("systemic.1.rhythm", T.SCHEDULE, "alle 3 Monate", en="every 3 months"),
            date("systemic.1.start", "2025-11-17"),
            fact("toxicity.1.term", T.TERM, "Zystitis", "Zystitis", "Cystitis"),
            fact("toxicity.1.grade", T.GRADE, "1"),
            fact("lab.1.name", T.TERM, "PSA"),
            fact("lab.1.value", T.LAB, "0.8", "0,8 µg/l", "0.8 µg/l", unit="ug/L"),
            date("lab.1.date", "2026-04-20"),
            fact("medication.1.drug", T.DRUG, "Metformin", importance=_HIGH),
            fact("medication.1.dose", T.DRUG_DOSE, "1000", "1000 mg", unit="mg"),
            fact("medication.1.schedule", T.SCHEDULE, "1-0-1"),
            fact("medication.2.drug", T.DRUG, "Tamsulosin", importance=_HIGH),
            fact("medication.2.dose", T.DRUG_DOSE, "0.4", "0,4 mg", "0.4 mg", unit="mg"),
            fact("medication.2.schedule", T.SCHEDULE, "0-0-1"),
            date("appointment.1.date", "2026-06-09", _HIGH),
            fact("appointment.1.time", T.TIME, "11:15", "11:15 Uhr", "11:15"),
            fact("appointment.1.place", T.TEXT, "Ambulanz der Strahlentherapie"),
            date("appointment.2.date", "2026-07-14", _HIGH),
            fact("appointment.2.time", T.TIME, "10:00", "10:00 Uhr", "10:00"),
            fact("appointment.2.place", T.TEXT, "Urologische Praxis"),
        )
    )  # fmt: skip
