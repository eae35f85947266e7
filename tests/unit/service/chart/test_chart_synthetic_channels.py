"""Invented visits told in FHIR and in HL7 v2: nothing is doubled, and either channel tells the same values."""

from functools import cache

import pytest
from chart_inputs import bundle, value, values

from adapters.hl7.message import read_message
from service.chart import build_chart, chart_payload, resources_of
from service.model import Chart, Lang
from workers.training.synthetic import SyntheticCase, generate_case
from workers.training.synthetic.invent import invent_scenario

SEEDS = range(30)
LANGUAGES: tuple[Lang, ...] = ("de", "en")


@cache
def told(seed: int, lang: Lang) -> SyntheticCase:
    return generate_case(seed, lang=lang)


@cache
def from_fhir(seed: int, lang: Lang) -> Chart:
    return build_chart([], resources_of(told(seed, lang).bundle))


@cache
def from_hl7(seed: int, lang: Lang) -> Chart:
    return build_chart([read_message(body) for body in told(seed, lang).messages], [])


def both(case: SyntheticCase) -> Chart:
    return build_chart([read_message(body) for body in case.messages], resources_of(case.bundle))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_messages_beside_the_bundle_add_nothing_and_change_nothing(lang: Lang) -> None:
    for seed in SEEDS:
        assert chart_payload(both(told(seed, lang))) == chart_payload(from_fhir(seed, lang)), f"seed {seed}"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_messages_alone_tell_what_the_bundle_tells_of_patient_visit_diagnoses_courses_and_labs(lang: Lang) -> None:
    kinds = ("patient.", "visit.", "course.", "lab.", "procedure.", "comorbidity.", "diagnosis.")
    for seed in SEEDS:
        alone, whole = (stated(chart) for chart in (from_hl7(seed, lang), from_fhir(seed, lang)))

        assert alone.items() <= whole.items(), f"seed {seed}"
        left_out = {handle for handle in whole.keys() - alone.keys() if handle.startswith(kinds)}
        assert all(is_told_by_fhir_only(handle) for handle in left_out), f"seed {seed}"
        assert from_hl7(seed, lang).warnings == () == from_hl7(seed, lang).conflicts


def stated(chart: Chart) -> dict[str, tuple[str, str | None, str]]:
    return {fact.handle: (fact.value, fact.unit, fact.type.value) for fact in chart.facts}


def is_told_by_fhir_only(handle: str) -> bool:
    """What a DG1 has no field for, and the modality, which FHIR gives where there is no technique."""
    kind, leaf = handle.split(".", maxsplit=1)[0], handle.split(".")[2]
    return leaf == "technique" if kind == "course" else kind == "diagnosis" and leaf not in ("name", "icd10", "date")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_messages_alone_give_each_volume_the_dose_that_the_case_was_made_of(lang: Lang) -> None:
    for seed in SEEDS:
        alone = from_hl7(seed, lang)
        stems = [
            fact.handle.removesuffix(".dose")
            for fact in alone.facts
            if ".volume." in fact.handle and fact.handle.endswith(".dose")
        ]

        found = {tuple(value(alone, f"{stem}.{leaf}") for leaf in ("name", "dose", "fractions")) for stem in stems}

        volumes = [volume for each in invent_scenario(seed, lang=lang).courses for volume in each.volumes]
        assert found == {(each.name, f"{each.dose.normalize():f}", str(each.fractions)) for each in volumes}
        assert len(stems) == len(volumes)


def test_where_the_bundle_lacks_what_messages_tell_they_add_it_and_no_handle_moves() -> None:
    for seed in SEEDS:
        case = told(seed, "de")
        kept = [
            row for row in case.bundle["entry"] if row["resource"]["resourceType"] not in ("Observation", "Procedure")
        ]
        thin = {**case.bundle, "entry": kept}
        without = values(build_chart([], resources_of(thin)))

        merged = values(build_chart([read_message(body) for body in case.messages], resources_of(thin)))

        planned = {handle for handle in without if handle.startswith("course.")}  # delivered, as HL7 tells
        moved = {handle for handle, text in without.items() if merged.get(handle) != text} - planned
        added = {handle.split(".")[0] for handle in merged.keys() - without.keys()}
        assert moved == set(), f"seed {seed}"
        assert added <= {"course", "lab", "procedure"}
        assert "planned" not in merged.values()


def test_the_order_of_resources_does_not_matter_to_what_messages_meet() -> None:
    case = told(3, "de")
    turned = bundle(*[row["resource"] for row in reversed(case.bundle["entry"])])

    chart = build_chart([read_message(body) for body in case.messages], resources_of(turned))

    assert len(chart.facts) == len(both(case).facts)
    assert chart.conflicts == ()
