"""``reading``: messages read behind the acknowledgement a second, on one core: bytes to event, case and fields.

Beside hl7apy parsing the whole message (no groups, tolerant, as it must be for Z-segments), which then still would
have to be understood. A small ADT of version 2.5, and a full A03 of version 2.8 with every field valued.
``epikrise-step`` is the journey's whole step ``read`` on SQLite: claimed, read, filed under a case of its own, finished.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from adapters.hl7.message import read_message
from adapters.keys import open_keyring
from adapters.store import SqlStore, migrate, open_store
from service.intake import understand
from service.model import Step
from service.pipeline import run_step
from service.world import Rules, World
from workers.training.synthetic import generate_case

_SECONDS = 2.0
_STEPS = 300
_FULL = {
    "EVN": (1, 7), "PID": (1, 39), "PD1": (1, 21), "ARV": (1, 6), "ROL": (2, 12), "NK1": (3, 39), "PV1": (1, 52),
    "PV2": (1, 49), "DB1": (1, 8), "OBX": (12, 19), "AL1": (4, 6), "DG1": (6, 21), "DRG": (1, 33), "PR1": (4, 20),
    "GT1": (1, 57), "IN1": (2, 53), "IN2": (2, 72), "ACC": (1, 11), "PDA": (1, 9), "ZBE": (1, 9),
}  # fmt: skip
"""Segments of an A03 with how often each comes and how many fields version 2.8 gives it."""
Row = dict[str, Any]


def measure(folder: Path) -> list[Row]:
    """Both readers on both messages, one after the other in this process; then whole steps of the full one."""
    messages = {"small": generate_case(1, lang="de").messages[-1], "full": full_message()}
    readers: dict[str, Callable[[bytes], object]] = {
        "epikrise": lambda body: understand(read_message(body)),
        "hl7apy": lambda body: parse_message(
            body.decode(), find_groups=False, validation_level=VALIDATION_LEVEL.TOLERANT
        ),
    }
    rates = [(engine, name, _rate(read, messages[name])) for name in messages for engine, read in readers.items()]
    rates.append(("epikrise-step", "full", _step_rate(folder, messages["full"])))
    return [
        {
            "engine": engine,
            "load": name,
            "metric": "messages_per_second",
            "value": round(rate, 1),
            "unit": "1/s",
            "message": {"bytes": len(messages[name]), "segments": messages[name].count(b"\r")},
        }
        for engine, name, rate in rates
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


class _Silent:
    """A bell that nobody hears: steps are run in order, here."""

    def ring(self, steps: Sequence[Step]) -> None: ...
    def check(self) -> None: ...
    def unheard(self, queues: Sequence[str]) -> Mapping[str, int]:
        return dict.fromkeys(queues, 0)


def _step_rate(folder: Path, body: bytes) -> float:
    """Steps a second of processor time; the tenth of them that warms up is not counted."""
    url = f"sqlite:///{folder / 'reading.db'}"
    migrate(url)
    store = open_store(url, open_keyring(folder))
    world = World(store=store, bell=_Silent(), reader=read_message, clock=lambda: datetime.now(UTC), rules=Rules())
    steps = _kept(store, body)
    for step_id in steps[: _STEPS // 10]:
        run_step(world, step_id)
    began = time.process_time()
    for step_id in steps[_STEPS // 10 :]:
        run_step(world, step_id)
    rate = (len(steps) - _STEPS // 10) / (time.process_time() - began)
    store.close()
    return rate


def _kept(store: SqlStore, body: bytes) -> list[str]:
    """The steps of so many messages, each of a patient and a visit of its own. Updates: a discharge starts more."""
    steps = []
    with store.begin() as tx:
        for number in range(_STEPS):
            own = body.replace(b"ADT^A03^ADT_A03", b"ADT^A08^ADT_A01").replace(b"FULL-1|", b"FULL-%d|" % number)
            own = own.replace(b"F1^^^KIS", b"F%d^^^KIS" % number).replace(b"P1^^^KIS", b"P%d^^^KIS" % number)
            message_id, _ = tx.add_message(
                channel="mllp", sender="KIS|KH", control_id=f"FULL-{number}", body=own, ack_code="AA", kind="ADT^A08"
            )
            steps.append(tx.add_step("read", "intake", subject=message_id).id)
    return steps
