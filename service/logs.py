"""Logs that cannot hold PHI: an event name and known-safe keys, as JSON lines.

Everything else a caller passes is dropped, other libraries' messages are reduced to logger, level and
place: their texts may quote an address with an identifier, or a value.
"""

import logging
import os
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from service.errors import WrongSetting

SAFE_KEYS = frozenset(
    [
        "attempts",
        "case_id",
        "code",
        "connections",
        "error",
        "event",
        "first",
        "last",
        "level",
        "logger",
        "matches",
        "messages",
        "pid",
        "place",
        "port",
        "process",
        "queue",
        "reason",
        "seconds",
        "size",
        "stage",
        "state",
        "status",
        "step",
        "step_id",
        "steps",
        "timestamp",
        "tokens",
        "type",
    ]
)
_EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OURS = ("service", "workers", "adapters", "epikrise")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(home: Path, process: str) -> None:
    """Log to ``<home>/logs/<process>.log`` from INFO on. One process, one file.

    Raises:
        WrongSetting: the file cannot be written.
    """
    file = home / "logs" / f"{process}.log"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise WrongSetting(f"{file}: {error.strerror}", remedy="Set EPIKRISE_HOME to a folder you own.") from None
    handler.setFormatter(SafeFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)


class SafeFormatter(logging.Formatter):
    """One JSON object a line. ``exc_info`` is reduced to the exception's class."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process
        self._render = structlog.processors.JSONRenderer(sort_keys=True)

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.split(".")[0] in _OURS
        event: dict[str, Any] = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        event |= {
            # an event of ours is a constant word; anything else is a sentence about who knows what
            "event": record.msg if ours and _EVENT.fullmatch(str(record.msg)) else "foreign_message",
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": self._process,
            "pid": os.getpid(),
            "timestamp": self.formatTime(record),
        }
        if not ours:
            event["place"] = f"{record.module}:{record.lineno}"
        if record.exc_info and record.exc_info[0] is not None:
            event["error"] = record.exc_info[0].__name__
        return str(self._render(None, "", keep_safe(None, "", event)))


def keep_safe(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Only known keys, only short scalars."""
    return {
        key: value
        for key, value in event.items()
        if key in SAFE_KEYS and (isinstance(value, (int, float)) or (isinstance(value, str) and len(value) <= 200))
    }
