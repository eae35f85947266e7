"""Facts of the machine that belong beside every figure."""

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any


def machine_facts() -> dict[str, Any]:
    """Processor, cores, memory, Python and the libraries that decide speed. Names no host and no path."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "python": sys.version.split()[0],
        "libraries": {name: version(name) for name in ("torch", "transformers", "peft", "bitsandbytes", "sqlalchemy")},
    }


def fsyncs_per_second(folder: Path, *, seconds: float = 1.0) -> float:
    """How often this disk makes a small write durable: the bound of any durable figure."""
    path = folder / "probe"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            os.pwrite(descriptor, b"x" * 512, 0)
            os.fsync(descriptor)
            count += 1
        return round(count / (time.perf_counter() - started), 1)
    finally:
        os.close(descriptor)
        path.unlink()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
