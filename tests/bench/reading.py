"""``reading``: messages read behind the acknowledgement a second, on one core: bytes to event, case and fields.

Beside hl7apy parsing the whole message (no groups, tolerant, as it must be for Z-segments), which then still would
have to be understood. A small ADT of version 2.5, and a full A03 of version 2.8 with every field valued.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from adapters.hl7.message import read_message
from service.intake import understand
from workers.training.synthetic import generate_case

_SECONDS = 2.0
_FULL = {
    "EVN": (1, 7), "PID": (1, 39), "PD1": (1, 21), "ARV": (1, 6), "ROL": (2, 12), "NK1": (3, 39), "PV1": (1, 52),
    "PV2": (1, 49), "DB1": (1, 8), "OBX": (12, 19), "AL1": (4, 6), "DG1": (6, 21), "DRG": (1, 33), "PR1": (4, 20),
    "GT1": (1, 57), "IN1": (2, 53), "IN2": (2, 72), "ACC": (1, 11), "PDA": (1, 9), "ZBE": (1, 9),
}  # fmt: skip
"""Segments of an A03 with how often each comes and how many fields version 2.8 gives it."""
Row = dict[str, Any]


def measure(_: Path) -> list[Row]:
    """Both readers on both messages, one after the other in this process."""
    messages = {"small": generate_case(1, lang="de").messages[-1], "full": full_message()}
    readers: dict[str, Callable[[bytes], object]] = {
        "epikrise": lambda body: understand(read_message(body)),
        "hl7apy": lambda body: parse_message(
            body.decode(), find_groups=False, validation_level=VALIDATION_LEVEL.TOLERANT
        ),
    }
    return [
        {
            "engine": engine,
            "load": name,
            "metric": "messages_per_second",
            "value": round(_rate(read, body), 1),
            "unit": "1/s",
            "message": {"bytes": len(body), "segments": body.count(b"\r")},
        }
        for name, body in messages.items()
        for engine, read in readers.items()
    ]


def full_message() -> bytes:
    """ADT^A03 of version 2.8, every field of its segments valued; invented."""
    lines = ["MSH|^~\\&|KIS|KH|EPI|STR|20260312093000+0100||ADT^A03^ADT_A03|FULL-1|P|2.8|1||AL|NE|DEU|UNICODE UTF-8"]
    own = {
        "EVN": {2: "20260312093000+0100", 6: "20260312091500+0100"},
        "PID": {3: "P1^^^KIS^MR~A1^^^GKV^NI", 5: "Beispiel&&Beispiel^Berta^B^^^^L", 7: "19510607"},
        "PV1": {2: "I", 3: "STR^1^2^KH", 19: "F1^^^KIS^VN", 44: "20260301080000+0100", 45: "20260312091000+0100"},
        "OBX": {2: "ST"},
    }
    for name, (times, count) in _FULL.items():
        for index in range(1, times + 1):
            fields = {number: f"{name}{number}^Text^L" for number in range(1, count + 1)} | {1: str(index)}
            fields |= own.get(name, {})
            lines.append("|".join((name, *(fields[number] for number in range(1, count + 1)))))
    return ("\r".join(lines) + "\r").encode()


def _rate(read: Callable[[bytes], object], body: bytes) -> float:
    """Processor time, since other processes of the machine are not what is measured."""
    read(body)
    count, started = 0, time.process_time()
    while (spent := time.process_time() - started) < _SECONDS or count < 3:
        read(body)
        count += 1
    return count / spent
