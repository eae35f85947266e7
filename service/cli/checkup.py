"""What `epikrise doctor` looks at."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.bootstrap import broker_url, open_sealed_store
from service.config import Settings
from service.errors import EpikriseError

Row = dict[str, Any]


def examine(settings: Settings) -> list[Row]:
    """One row a dependency: ``{check, state: ok | warning | failed, detail, remedy}``."""
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("home", _home),
        ("store", _store),
        ("broker", _broker),
        ("ehr", _ehr),
        ("model", _model),
        ("gpu", _gpu),
    )
    rows: list[Row] = []
    for name, look in checks:
        try:
            rows.append({"check": name, "state": "ok", "detail": look(settings), "remedy": ""})
        except _Worth as warning:
            rows.append({"check": name, "state": "warning", "detail": warning.detail, "remedy": warning.remedy})
        except EpikriseError as error:
            rows.append({"check": name, "state": "failed", "detail": str(error), "remedy": error.remedy})
    return rows


class _Worth(Exception):
    """Worth a word, but nothing fails."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.detail, self.remedy = detail, remedy


def _home(settings: Settings) -> str:
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free / 2**30
    if free < 2:
        raise _Worth(f"{settings.home}: {free:.1f} GiB free", "Make room; the store must be able to grow.")
    return f"{settings.home}: {free:.0f} GiB free"


def _store(settings: Settings) -> str:
    _, store = open_sealed_store(settings)
    try:
        store.check()
        with store.read() as tx:
            trail = tx.check_audit()
    finally:
        store.close()
    if not trail.intact:
        raise _Worth(f"audit trail is broken at entry {trail.broken_at}", "Compare with the newest backup.")
    return f"{settings.store_url.partition(':')[0]}, audit trail of {trail.entries} entries intact"


def _broker(settings: Settings) -> str:
    from adapters.broker import CeleryBell, make_celery
    from service.pipeline import QUEUES

    bell = CeleryBell(make_celery(broker_url(settings), queues=QUEUES))
    try:
        bell.check()
    finally:
        bell.close()
    return "answers"


def _ehr(settings: Settings) -> str:
    if settings.ehr.fhir_url is None:
        raise _Worth("ehr.fhir_url is not set", "Name the EHR's FHIR address; without it nothing is delivered.")
    from adapters.fhir.client import FhirClient

    with FhirClient(settings.ehr.fhir_url, timeout=min(settings.ehr.timeout_seconds, 5.0)) as client:
        client.capabilities()
    return "answers"


def _model(settings: Settings) -> str:
    from workers.app import model_directory
    from workers.writer.manifest import verify_manifest

    directory: Path = model_directory(settings)
    return f"{verify_manifest(directory).name}, digests agree"


def _gpu(_: Settings) -> str:
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name(0))
    raise _Worth(f"none; {os.cpu_count()} CPU cores", "The demonstration model runs on a CPU; an 8B model needs a GPU.")
