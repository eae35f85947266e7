"""HL7 v2 messages of one invented visit, each field for a test to vary."""

from adapters.hl7.message import Message, read_message

VISIT = "F1^^^KIS^VN"
PATIENT = "P1^^^KIS^MR"


def adt(
    trigger: str = "A03",
    *,
    visit: str = VISIT,
    patient: str = PATIENT,
    admitted: str = "20260301080000",
    discharged: str = "",
    occurred: str = "20260312093000",
    patient_class: str = "I",
    processing: str = "P",
    control_id: str = "M1",
    facility: str = "KH",
) -> Message:
    pv1 = _segment("PV1", {1: "1", 2: patient_class, 19: visit, 44: admitted, 45: discharged})
    evn = _segment("EVN", {1: trigger, 2: "20260312100000", 6: occurred})
    return _message(f"ADT^{trigger}", evn, _pid(patient), pv1, p=processing, id_=control_id, facility=facility)


def oru(*, visit: str = VISIT, observed: str = "20260311070000", reported: str = "20260311080000") -> Message:
    pv1 = _segment("PV1", {1: "1", 2: "I", 19: visit})
    obr = _segment("OBR", {1: "1", 7: observed, 22: reported})
    return _message("ORU^R01", _pid(PATIENT), pv1, obr)


def raw(*lines: str, encoding: str = "utf-8") -> Message:
    return read_message("\r".join(lines).encode(encoding))


def header(kind: str = "ADT^A03", *, accept: str = "", application: str = "", control_id: str = "M1") -> str:
    return f"MSH|^~\\&|KIS|KH|EPI|STR|20260312113000||{kind}|{control_id}|P|2.5|||{accept}|{application}"


def _message(kind: str, *segments: str, p: str = "P", id_: str = "M1", facility: str = "KH") -> Message:
    return raw(f"MSH|^~\\&|KIS|{facility}|EPI|STR|20260312113000||{kind}|{id_}|{p}|2.5", *segments)


def _pid(patient: str) -> str:
    return _segment("PID", {1: "1", 3: patient, 5: "Beispiel^Berta", 7: "19610504", 8: "F"})


def _segment(name: str, fields: dict[int, str]) -> str:
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])
