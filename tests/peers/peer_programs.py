"""The peers that `make peers` installs, as processes; without them the tests say so and are skipped."""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

_INTEGRATION = Path(__file__).parents[1] / "integration"
for _folder in (_INTEGRATION, _INTEGRATION / "hl7", _INTEGRATION / "web"):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

PEERS = Path(__file__).parents[2] / "deploy" / "peers"
MLLP_SEND = Path(sys.executable).parent / "mllp_send"


def _why_not() -> str:
    if shutil.which("node") is None:
        return "Node.js is not on this machine: install 20.19 or newer, then make peers"
    if not (PEERS / "node_modules" / ".package-lock.json").is_file():
        return "the peers from npm are not installed: make peers"
    return ""


_WHY_NOT = _why_not()
NEEDS_PEERS = pytest.mark.skipif(bool(_WHY_NOT), reason=_WHY_NOT or "they are here")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the peers one test stands skipped for all, so that the reason is one line and not a hundred."""
    needing = [item for item in items if any(mark == NEEDS_PEERS.mark for mark in item.iter_markers("skipif"))]
    if needing and _WHY_NOT:
        reason = f"{_WHY_NOT} ({len(needing)} tests)"
        needing[0].add_marker(pytest.mark.skipif(True, reason=reason), append=False)
        config.hook.pytest_deselected(items=needing[1:])
        items[:] = [item for item in items if item not in needing[1:]]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A program that ran to its end; ``answers`` are (code, control id) as the library read them."""

    exit_code: int
    answers: Sequence[tuple[str, str]]
    said: str


def run_client(script: str, address: tuple[str, int], file: Path, encoding: str) -> Ended:
    """A client of deploy/peers; ``encoding`` by Node's name."""
    host, port = address
    command = ["node", str(PEERS / script), host, str(port), str(file), encoding]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    return Ended(
        exit_code=done.returncode,
        answers=[(each["code"], each["control_id"]) for each in printed],
        said=done.stderr,
    )


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server of deploy/peers."""

    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> list[str]:
        """The lines that it has written to stderr by now."""
        return self.log.read_text().splitlines()


@contextlib.contextmanager
def running(script: str, *arguments: str | Path) -> Iterator[Server]:
    """A server of deploy/peers, which prints ``listening PORT``; leaving ends it."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = ["node", str(PEERS / script), *map(str, arguments)]
        with (
            log.open("w") as stderr,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
        ):
            try:
                assert process.stdout is not None
                word, _, port = process.stdout.readline().strip().partition(" ")
                assert word == "listening", f"{script} did not start: {log.read_text()[-500:]}"
                yield Server(port=int(port), log=log)
            finally:
                process.terminate()
                process.wait(10)
