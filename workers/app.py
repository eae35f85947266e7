"""The worker process: wires the Writer into what the service built, and answers the bell."""

import os
from collections.abc import Sequence
from pathlib import Path

from celery import Celery

from service import logs
from service.bootstrap import Installation, open_installation
from service.config import Settings
from workers.tasks import register

DEMONSTRATION_MODEL = Path(__file__).parent / "demo_model"


def model_directory(settings: Settings) -> Path:
    """The institution's model; the shipped demonstration model where none is set."""
    return settings.model.directory or DEMONSTRATION_MODEL


def build_worker(settings: Settings, queues: Sequence[str]) -> tuple[Installation, Celery]:
    """Open the installation, and the model if the write queue is among ``queues``.

    The model is opened before the first bell is answered: a worker without one must not take steps.

    Raises:
        ModelUnavailable: the model directory is missing or damaged.
    """
    installation = open_installation(settings)
    if "write" in queues:
        from workers.writer.engine import open_writer

        installation = installation.with_writer(open_writer(model_directory(settings)))
    register(installation.celery, installation.world)
    return installation, installation.celery


def run_worker(settings: Settings, queues: Sequence[str], *, concurrency: int = 1) -> int:
    """Answer the bell until SIGTERM. Threads, never prefork: CUDA does not survive a fork."""
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    logs.configure(settings.home, f"worker-{'-'.join(queues)}")
    installation, celery = build_worker(settings, queues)
    ready = settings.home / "run" / f"worker-{'-'.join(queues)}.ready"
    ready.parent.mkdir(mode=0o700, exist_ok=True)
    ready.write_text(str(os.getpid()), encoding="utf-8")
    worker = celery.Worker(
        queues=list(queues),
        pool="threads",
        concurrency=concurrency,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
        quiet=True,
    )
    try:
        worker.start()
        return int(worker.exitcode or 0)
    finally:
        ready.unlink(missing_ok=True)
        installation.close()
