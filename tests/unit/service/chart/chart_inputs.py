"""Charts from resources and messages written out in the test, and short ways to say them."""

from typing import Any

from adapters.hl7.message import read_message
from service.chart import build_chart, resources_of
from service.model import Chart
from service.ports import Message

MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD10 = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ATC = "http://fhir.de/CodeSystem/bfarm/atc"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
PATIENT = {"reference": "Patient/1"}

Resource = dict[str, Any]


# ---------------------------------------------------------------- FHIR


def resource(kind: str, identity: str = "1", **elements: Any) -> Resource:
    return {"resourceType": kind, "id": identity, **elements}


def bundle(*resources: Resource, kind: str = "collection") -> Resource:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": each} for each in resources]}


def coded(system: str, code: str, text: str | None = None) -> Resource:
    return {"coding": [{"system": system, "code": code}]} | ({"text": text} if text else {})


def patient(**elements: Any) -> Resource:
    row = {
        "name": [{"use": "official", "family": "Muster", "given": ["Erika"]}],
        "birthDate": "1961-05-04",
        "gender": "female",
        "identifier": [{"type": coded(TERMINOLOGY + "v2-0203", "MR"), "value": "4711"}],
    }
    return resource("Patient", **row | elements)


def encounter(identity: str = "1", *, number: str = "F1", **elements: Any) -> Resource:
    row = {
        "status": "finished",
        "identifier": [{"type": coded(TERMINOLOGY + "v2-0203", "VN"), "value": number}],
        "subject": PATIENT,
        "period": {"start": "2026-02-01T09:00:00+01:00", "end": "2026-03-13T11:00:00+01:00"},
    }
    return resource("Encounter", identity, **row | elements)


def condition(identity: str = "1", *, code: str = "C50.4", text: str = "Mammakarzinom", **elements: Any) -> Resource:
    return resource("Condition", identity, **{"code": coded(ICD10, code, text), "subject": PATIENT} | elements)


def laterality(code: str) -> Resource:
    return {"extension": [{"url": MCODE + "mcode-laterality-qualifier", "valueCodeableConcept": coded(SNOMED, code)}]}


def course(identity: str = "7", *, extension: list[Resource], **elements: Any) -> Resource:
    row: Resource = {
        "status": "completed",
        "code": coded(SNOMED, "1217123003"),
        "subject": PATIENT,
        "performedPeriod": {"start": "2026-02-02", "end": "2026-03-12"},
        "bodySite": [coded(SNOMED, "76752008", "Mamma") | laterality("24028007")],
        "extension": extension,
    }
    return resource("Procedure", identity, **row | elements)


def sessions(count: Any) -> Resource:
    return {"url": MCODE + "mcode-radiotherapy-sessions", "valueUnsignedInt": count}


def dose(name: str, amount: float | None, unit: str | None = "Gy", fractions: int | None = None) -> Resource:
    """The dose to the volume of this name, which its BodyStructure is called after too."""
    parts: list[Resource] = [
        {"url": "volume", "valueReference": {"reference": f"BodyStructure/{name.partition(' ')[0]}", "display": name}}
    ]
    if amount is not None:
        quantity = {"value": amount} | ({"code": unit, "unit": unit} if unit else {})
        parts.append({"url": "totalDoseDelivered", "valueQuantity": quantity})
    if fractions is not None:
        parts.append({"url": "fractionsDelivered", "valueUnsignedInt": fractions})
    return {"url": MCODE + "mcode-radiotherapy-dose-delivered-to-volume", "extension": parts}


def observation(identity: str, code: str, *, system: str = LOINC, text: str | None = None, **elements: Any) -> Resource:
    row = {"status": "final", "code": coded(system, code, text), "subject": PATIENT}
    return resource("Observation", identity, **row | elements)


def laboratory() -> list[Resource]:
    return [coded(TERMINOLOGY + "observation-category", "laboratory")]


# ---------------------------------------------------------------- HL7 v2


def message(*segments: str, kind: str = "ADT^A03", control: str = "M1", at: str = "20260313110000+0100") -> Message:
    head = f"MSH|^~\\&|KIS|H|EPI|RT|{at}||{kind}|{control}|P|2.5.1|||||DEU|UNICODE UTF-8"
    return read_message("\r".join([head, *segments, ""]).encode())


PID = "PID|1||4711^^^KIS^MR||Muster^Erika^^^^^L||19610504|F"
PV1 = "PV1|1|I|Station 4||||77^Stein^Karla^^^Dr. med.||||||||||||F1^^^KIS^VN" + "|" * 25 + "20260201090000+0100"

DISCHARGED = f"{PV1}|20260313110000+0100"


def obx(code: str, value: str, *, kind: str = "ST", sub: str = "", unit: str = "", status: str = "F") -> str:
    return f"OBX|1|{kind}|{code}|{sub}|{value}|{unit}|||||{status}"


def rt(code: str, value: str, *, kind: str = "ST", sub: str = "1", unit: str = "", status: str = "F") -> str:
    return obx(f"{code}^x^99RT", value, kind=kind, sub=sub, unit=unit, status=status)


# ---------------------------------------------------------------- charts


def chart_of(*resources: Resource, messages: tuple[Message, ...] = (), visit_key: str | None = None) -> Chart:
    return build_chart(list(messages), resources_of(bundle(*resources)), visit_key=visit_key)


def chart_told(*messages: Message) -> Chart:
    return build_chart(list(messages), [])


def values(chart: Chart, prefix: str = "") -> dict[str, str]:
    """Value by handle, of the handles that begin with ``prefix``."""
    return {fact.handle: fact.value for fact in chart.facts if fact.handle.startswith(prefix)}


def value(chart: Chart, handle: str) -> str | None:
    fact = chart.get(handle)
    return fact.value if fact else None


def source(chart: Chart, handle: str) -> str | None:
    fact = chart.get(handle)
    return fact.source if fact else None
