"""Remembers, over a whole test run, who the invented patients were and everything that could have told of them.

What is watched: each log line as our processes would write it, what our own loggers say before it is
cut to safe keys, the text of each error of ours that was ever made, and, at the end, every log file
and Redis file that any test left behind.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from service.errors import EpikriseError
from service.logs import SafeFormatter
from workers.training.synthetic.case import SyntheticCase
from workers.training.synthetic.tables import table

OURS = ("service", "workers", "adapters")
FILES = ("*.log", "*.out", "*.aof", "*.rdb", "*.manifest")


class Watch:
    """``identifiers``: what must occur nowhere. ``said``: (where, text)."""

    def __init__(self) -> None:
        self.identifiers: set[str] = {
            head + tail
            for lang in ("de", "en")
            for head in table("names", lang)[lang]["heads"]
            for tail in table("names", lang)[lang]["tails"]
        }
        self.said: set[tuple[str, str]] = set()

    def start(self) -> None:
        logging.getLogger().addHandler(_Recorder(self))
        EpikriseError.__init__ = _after(EpikriseError.__init__, self._note_error)  # type: ignore[method-assign]
        SyntheticCase.__init__ = _after(SyntheticCase.__init__, self._note_case)  # type: ignore[method-assign]

    def leaks(self, folder: Path) -> Iterator[str]:
        """Where an identifier was told; names the place, not the person."""
        known = [each.encode() for each in sorted(self.identifiers)]
        everything = "\n".join(text for _, text in self.said).encode(errors="replace")
        told = [each for each in known if each in everything]
        for where, text in self.said:
            if any(each in text.encode(errors="replace") for each in told):
                yield where
        for path in (path for pattern in FILES for path in folder.rglob(pattern) if path.is_file()):
            content = path.read_bytes()
            if any(each in content for each in known):
                yield path.name

    def _note_error(self, error: EpikriseError) -> None:
        self.said.add((f"error {error.code}", str(error)))

    def _note_case(self, case: SyntheticCase) -> None:
        born = case.birth_date
        self.identifiers |= {case.mrn, case.visit_number}
        self.identifiers |= {born.isoformat(), born.strftime("%Y%m%d"), born.strftime("%d.%m.%Y")}


class _Recorder(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self.setFormatter(SafeFormatter("tests"))

    def emit(self, record: logging.LogRecord) -> None:
        self._watch.said.add((f"log line of {record.name}", self.format(record)))
        if record.name.split(".")[0] in OURS:
            self._watch.said.add((f"logger {record.name}", f"{record.getMessage()} {vars(record)}"))


def _after(first: Callable[..., None], then: Callable[[Any], None]) -> Callable[..., None]:
    @functools.wraps(first)
    def both(self: Any, *arguments: Any, **named: Any) -> None:
        first(self, *arguments, **named)
        then(self)

    return both


watch = Watch()
