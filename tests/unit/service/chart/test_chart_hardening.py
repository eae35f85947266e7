"""Whatever comes in, ``build_chart`` answers with a chart: never an exception, never content in a warning."""

import copy
import json
import random
from typing import Any

from chart_inputs import ICD10, PID, PV1, bundle, chart_told, course, dose, message, patient, resource, rt, value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.hl7.message import read_message
from service.chart import build_chart, chart_payload, resources_of
from service.chart.codes import file_table, urls
from workers.training.synthetic import generate_case

CASES = [generate_case(seed, lang="de", site=site) for seed, site in ((1, "breast"), (4, "lung"), (7, "prostate"))]
STRANGE: list[Any] = [
    None, True, 0, -1, 10**400, 1.5, float("nan"), float("inf"), "", " ", "\ud800", "\x00", "[[a]]", "9" * 5000,
    "2026-13-45", "0000-00-00", "9999-12-31T23:59:59-14:00", [], [[]], [None], {}, {"value": {}}, [{"coding": "x"}],
    {"reference": "#"}, {"reference": "Patient/patient"}, {"coding": [{"code": 3, "system": []}]},
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def places(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Each member of a JSON document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, value in inner for found in ((*path, key), *places(value, (*path, key)))]


def mutate(document: Any, rng: random.Random, strange: list[Any]) -> None:
    """One member gone, doubled, moved or of a wrong type."""
    path = rng.choice(places(document))
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    action = rng.choice(("drop", "swap", "list", "strange", "strange"))
    if action == "drop":
        del parent[path[-1]]
    elif action == "swap":
        parent[path[-1]] = copy.deepcopy(rng.choice(document["entry"])) if document.get("entry") else None
    elif action == "list":
        parent[path[-1]] = [parent[path[-1]], parent[path[-1]]]
    else:
        parent[path[-1]] = copy.deepcopy(rng.choice(strange))


@many
@given(case=st.sampled_from(CASES), seed=st.integers(0, 2**32), strange=st.lists(JSON, max_size=4), both=st.booleans())
def test_a_bundle_with_parts_lost_or_of_a_wrong_type_never_raises(
    case: Any, seed: int, strange: list[Any], both: bool
) -> None:
    rng = random.Random(seed)
    document = copy.deepcopy(case.bundle)
    for _ in range(rng.randint(1, 12)):
        for entry in rng.sample(document["entry"], min(3, len(document["entry"]))):
            if isinstance(entry, dict) and places(entry):
                mutate(entry, rng, STRANGE + strange)
    messages = [read_message(body) for body in case.messages] if both else []

    chart = build_chart(messages, resources_of(document))

    handles = [fact.handle for fact in chart.facts]
    assert len(handles) == len(set(handles))
    assert all(fact.source and "#" in fact.source for fact in chart.facts)
    json.dumps(chart_payload(chart)).encode()


@many
@given(elements=st.dictionaries(st.sampled_from(["code", "status", "extension", "bodySite", "performedPeriod", "partOf",
    "subject", "encounter", "identifier", "name", "valueQuantity", "category", "meta", "dosage", "participant",
    "start", "activity", "medicationCodeableConcept", "reaction", "stage", "event", "date"]), JSON), kind=st.sampled_from(
    ["Patient", "Encounter", "Condition", "Procedure", "Observation", "MedicationStatement", "MedicationRequest",
     "MedicationAdministration", "AdverseEvent", "AllergyIntolerance", "Appointment", "CarePlan", "ServiceRequest"]))  # fmt: skip
def test_resources_of_any_shape_never_raise(kind: str, elements: dict[str, Any]) -> None:
    build_chart([], [resource(kind, **elements), patient(), course(extension=[dose("PTV", 50.4)])])


PROFILED = sorted({url for name in file_table("profiles.yaml")["extensions"] for url in urls(name)})
EXTENSIONS = st.recursive(
    st.fixed_dictionaries(
        {"url": st.sampled_from(PROFILED)},
        optional={"valueCodeableConcept": JSON, "valueQuantity": JSON, "valueCoding": JSON, "valueUnsignedInt": JSON},
    ),
    lambda inner: st.fixed_dictionaries(
        {"url": st.sampled_from(PROFILED), "extension": st.lists(inner, max_size=3) | JSON}
    ),
    max_leaves=6,
)


@many
@given(
    extensions=st.lists(EXTENSIONS, max_size=4) | JSON,
    elements=st.dictionaries(
        st.sampled_from(["category", "outcome", "usedCode", "bodySite", "component", "severity", "meta", "code"]), JSON
    ),
    kind=st.sampled_from(["Procedure", "Observation", "Condition", "MedicationStatement", "AdverseEvent"]),
)
def test_the_extensions_of_profiles_may_hold_anything(extensions: Any, elements: dict[str, Any], kind: str) -> None:
    build_chart([], [resource(kind, **{"extension": extensions} | elements), patient()])


@many
@given(entries=st.lists(JSON | st.fixed_dictionaries({"resource": JSON}), max_size=4), more=JSON)
def test_a_bundle_of_anything_gives_a_chart_or_is_refused(entries: list[Any], more: Any) -> None:
    told = {"resourceType": "Bundle", "entry": [*entries, {"resource": patient()}, {"resource": more}]}

    assert value(build_chart([], resources_of(told)), "patient.family") == "Muster"


@many
@given(
    case=st.sampled_from(CASES),
    seed=st.integers(0, 2**32),
    junk=st.binary(max_size=40),
)
def test_messages_with_random_bytes_in_them_never_raise(case: Any, seed: int, junk: bytes) -> None:
    rng = random.Random(seed)
    messages = []
    for body in case.messages:
        damaged = bytearray(body)
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(9, len(damaged))
            damaged[at : at + rng.randint(0, 6)] = junk[: rng.randint(0, len(junk))]
        messages.append(read_message(bytes(damaged)))

    chart = build_chart(messages, resources_of(case.bundle) if seed % 2 else [])

    assert len({fact.handle for fact in chart.facts}) == len(chart.facts)
    json.dumps(chart_payload(chart)).encode()


FIELDS = st.lists(st.text(alphabet='|^~&\\.,-+"<> 019ECGRTLNMx²٣é', max_size=12), min_size=1, max_size=22)


@many
@given(rows=st.lists(st.tuples(st.sampled_from(
    ["PID", "PV1", "PV2", "DG1", "PR1", "AL1", "IAM", "OBR", "OBX", "RXA", "RXE", "RXO", "SCH", "AIS", "AIL", "AIG",
     "AIP", "EVN", "MRG", "ZBE", "TXA", "ORC", "TQ1", "RXR", "PRB"]), FIELDS), max_size=6),
    kinds=st.lists(st.sampled_from(["ADT^A01", "ADT^A40", "ADT^A45", "ADT^A50", "ADT^A03", "BAR^P12", "PPR^PC3", "SIU^S13",
     "SIU^S15", "RDE^O11", "MDM^T10", "ORU^R01"]), min_size=1, max_size=3),
    at=st.text(alphabet="0123456789.+-", max_size=20))  # fmt: skip
def test_segments_of_any_content_never_raise(rows: list[tuple[str, list[str]]], kinds: list[str], at: str) -> None:
    lines = ["|".join([name, *fields]) for name, fields in rows]

    chart_told(
        *(message(*lines, PID, PV1, kind=kind, control=f"M{number}", at=at) for number, kind in enumerate(kinds))
    )


@many
@given(text=st.text(max_size=20))
def test_radiotherapy_results_of_any_value_never_raise(text: str) -> None:
    said = text.replace("\r", " ").replace("\n", " ")
    codes = ("RT-COURSE-START", "RT-FRACTIONS", "RT-SIDE", "RT-VOLUME-DOSE", "RT-VOLUME-FRACTIONS", "RT-INTENT")

    chart_told(message(*(rt(code, said, sub="1.1", unit="Gy") for code in codes)))


def test_nesting_as_deep_as_a_bundle_may_be_never_raises() -> None:
    nested: Any = {"code": "x"}
    for _ in range(40):
        nested = {"extension": [nested]}
    condition = resource("Condition", code={"coding": [{"system": ICD10, "code": "C61"}]}, extension=[nested])

    chart = build_chart([], resources_of(bundle(condition)))

    assert value(chart, "diagnosis.1.icd10") == "C61"


def test_warnings_name_the_place_and_never_the_content() -> None:
    secret = "Geheimnis-7391"
    condition = resource("Condition", code={"coding": [{"system": ICD10, "code": "C61"}]}, onsetDateTime=secret)
    told = message(PID.replace("19610504", secret), PV1, rt("RT-FRACTIONS", secret, kind="NM"))

    chart = build_chart([told], resources_of(bundle(condition)))

    assert len(chart.warnings) == 3
    assert not any(secret in warning for warning in chart.warnings)
