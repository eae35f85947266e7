"""Messages about several patients and visits, with an event time and a recorded time of their own."""

from datetime import datetime, timedelta

_BEGIN = datetime(2026, 3, 1, 8, 0)  # noqa: DTZ001 - HL7 times without an offset are local
_BIRTHS = {"P1": "19610504", "P2": "19480119", "P3": "19700707"}


def tell(
    trigger: str,
    *,
    at: int,
    patient: str = "P1",
    visit: str = "",
    recorded: int | None = None,
    former: str = "",
    former_visit: str = "",
    admitted: int | None = None,
    control_id: str = "",
    mark: str = "P",
    word: str = "",
) -> bytes:
    """One ADT message (an ORU for ``R01``), minutes after 1 March 2026, 8:00.

    ``at``: EVN-6; ``recorded``: EVN-2 and MSH-7, else as ``at``. ``former``, ``former_visit``: MRG-1, MRG-5.
    ``admitted``: PV1-44, the only name of a visit without a number. ``word``: makes other bytes of it.
    """
    happened, written = _time(at), _time(at if recorded is None else recorded)
    told = f"{trigger}.{at}.{recorded}.{patient}.{visit}.{former}.{former_visit}.{admitted}.{mark}{word}"
    kind = "ORU" if trigger == "R01" else "ADT"
    segments = [f"MSH|^~\\&|KIS|ONK|EPIKRISE|RT|{written}||{kind}^{trigger}|{control_id or told}|{mark}|2.5.1|||||DEU"]
    if kind == "ADT":
        segments.append(f"EVN|{trigger}|{written}||||{happened}")
    segments.append(f"PID|1||{patient}^^^KIS^MR||Beispiel^{word or patient}||{_BIRTHS[patient]}|F")
    if former or former_visit:
        segments.append(f"MRG|{former or patient}^^^KIS^MR||||{former_visit and f'{former_visit}^^^KIS^VN'}")
    if visit or admitted is not None:
        fields = {1: "1", 2: "I", 3: "ST1", 19: visit and f"{visit}^^^KIS^VN"}
        fields[44] = "" if admitted is None else _time(admitted)
        segments.append("|".join(["PV1", *(fields.get(number, "") for number in range(1, 45))]))
        segments.append(f"DG1|1||C50.4^Mammakarzinom^I10||{happened}|F")
    if kind == "ORU":
        segments += [f"OBR|1|||LAB|||{happened}", f"OBX|1|NM|718-7^Hb^LN||{at}|g/dL|||||F|||{happened}"]
    return "\r".join(segments).encode() + b"\r"


def _time(minute: int) -> str:
    return (_BEGIN + timedelta(minutes=minute)).strftime("%Y%m%d%H%M%S")
