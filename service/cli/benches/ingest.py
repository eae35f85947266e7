"""``ingest``: messages durably stored and acknowledged a second, over real sockets.

Ours beside the bound and, asked for, beside peers that store nothing; the same clients and frames for each, one
engine after the other within a load, so that a ratio compares neighbours in time.
"""

import importlib.util
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from service.cli.benches.engines import CLOSE_AFTER_ONE, PEERS
from service.cli.benches.machine import fsyncs_per_second
from service.errors import UnusableInput

LOADS: Final = (1, 16, 64, 256)
IDLE_CONNECTIONS: Final = 1000
MEMORY_MESSAGES: Final = 100_000
_MEMORY_LOAD: Final = 64
_START_SECONDS: Final = 60
Row = dict[str, Any]


def measure(
    folder: Path,
    *,
    peers: bool = True,
    loads: Sequence[int] = LOADS,
    seconds: float = 3.0,
    rounds: int = 1,
    memory: bool = True,
) -> list[Row]:
    """Rows of DESIGN section 4. Each engine runs ``seconds`` at each load, ``rounds`` times; the median counts.

    Raises:
        UnusableInput: a peer is not installed.
    """
    engines = ["epikrise", "bound", *(PEERS if peers else ())]
    _check_installed(engines)
    body = _a_discharge()
    rows: list[Row] = []
    for load in loads:
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
        disk: list[float] = []
        for number in range(rounds):
            disk.append(fsyncs_per_second(folder, seconds=0.5))
            for name in engines:
                place = folder / f"{name}-{load}-{number}"
                place.mkdir()
                runs[name].append(_run(name, place, body, load=load, seconds=seconds))
                shutil.rmtree(place)
        rows.append(_row("disk", load, "fsync_per_second", statistics.median(disk), "1/s"))
        for name, results in runs.items():
            for metric, unit in (("messages_per_second", "1/s"), ("p50_ms", "ms"), ("p99_ms", "ms")):
                rows.append(_row(name, load, metric, statistics.median(result[metric] for result in results), unit))
    return rows + (_memory(folder, body) if memory else [])


def _run(name: str, folder: Path, body: bytes, *, load: int, seconds: float) -> dict[str, float]:
    with _engine(name, folder) as (port, _), _idle(port if name == "epikrise" else None):
        latencies = sorted(_drive(name, port, body, load=load, seconds=seconds))
    if not latencies:
        raise UnusableInput(
            f"{name} answered nothing within {seconds:g} s",
            remedy="Let the machine do nothing else, or give it longer.",
        )
    return {
        "messages_per_second": len(latencies) / seconds,
        "p50_ms": latencies[len(latencies) // 2] / 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] / 1000,
    }


def _drive(name: str, port: int, body: bytes, *, load: int, seconds: float) -> list[int]:
    """Microseconds of each answer. The clients share the load; one core is left to the server."""
    processes = max(1, min(4, load, (os.cpu_count() or 2) - 1))
    shares = [load // processes + (number < load % processes) for number in range(processes)]
    clients = []
    for number, share in enumerate(shares):
        command = [sys.executable, "-m", "service.cli.benches.load", str(port), str(share), str(seconds), f"B{number}"]
        mode = ["once"] if name in CLOSE_AFTER_ONE else []
        clients.append(subprocess.Popen([*command, *mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        pipe = clients[-1].stdin
        assert pipe is not None  # noqa: S101 - asked for above
        pipe.write(body)
        pipe.close()
        clients[-1].stdin = None
    told = [client.communicate()[0] for client in clients]
    if any(client.returncode for client in clients):
        raise UnusableInput(f"{name} did not answer as it should", remedy="See what the load said on stderr.")
    return [latency for text in told for latency in json.loads(text)["latencies_us"]]


def _memory(folder: Path, body: bytes) -> list[Row]:
    """Resident memory of the server once it is warm, and after 100,000 messages more."""
    place = folder / "epikrise-memory"
    place.mkdir()
    with _engine("epikrise", place) as (port, process_id):
        sent = 0
        warm = 0.0
        while sent < MEMORY_MESSAGES:
            sent += len(_drive("epikrise", port, body, load=_MEMORY_LOAD, seconds=2.0))
            if not warm:
                warm, sent = _resident_mib(process_id), 0
        after = _resident_mib(process_id)
    shutil.rmtree(place)
    return [
        _row("epikrise", _MEMORY_LOAD, "resident_mib_warm", warm, "MiB"),
        _row("epikrise", _MEMORY_LOAD, "resident_mib_after_100000", after, "MiB"),
    ]


@contextmanager
def _engine(name: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Port and process id."""
    command = [sys.executable, "-m", "service.cli.benches.engines", name, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None  # noqa: S101 - asked for above
        assert server.stdout is not None  # noqa: S101
        try:
            port = server.stdout.readline()
            if not port:
                raise UnusableInput(f"{name} did not start", remedy="See what it said on stderr.")
            yield int(port), server.pid
        finally:
            server.stdin.close()
            try:
                server.wait(_START_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


@contextmanager
def _idle(port: int | None) -> Iterator[None]:
    """Connections that say nothing, held while ours is measured."""
    with ExitStack() as stack:
        for _ in range(IDLE_CONNECTIONS if port else 0):
            stack.enter_context(socket.create_connection(("127.0.0.1", port or 0), timeout=10))
        yield


def _resident_mib(process_id: int) -> float:
    pages = int(Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _row(engine: str, load: int, metric: str, value: float, unit: str) -> Row:
    return {"engine": engine, "load": load, "metric": metric, "value": round(value, 3), "unit": unit}


def _check_installed(engines: Sequence[str]) -> None:
    if "python-hl7" in engines and importlib.util.find_spec("hl7") is None:
        raise UnusableInput(
            "--peers: python-hl7 is not installed", remedy="Run `make test` once: it installs the peers."
        )


def _a_discharge() -> bytes:
    from workers.training.synthetic import generate_case

    return generate_case(1, lang="de").messages[-1]
