"""The worker process: wires the Writer into what the service built, and answers the bell."""

import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from celery import Celery
from celery.worker.state import active_requests

from service import logs
from service.bootstrap import Installation, broker_url, open_installation
from service.config import Settings
from service.errors import BrokerUnavailable
from workers.tasks import register

_log = logging.getLogger(__name__)
_LOOK_EVERY = 2.0  # s
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
    address = broker_url(settings)
    installation, celery = build_worker(settings, queues)
    ready = settings.home / "run" / f"worker-{'-'.join(queues)}.ready"
    ready.parent.mkdir(mode=0o700, exist_ok=True)
    ready.write_text(str(os.getpid()), encoding="utf-8")
    if settings.broker.url is None:
        threading.Thread(
            target=_follow_broker, args=(settings, address, ready), name="broker-address", daemon=True
        ).start()
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


def _follow_broker(settings: Settings, address: str, ready: Path) -> None:
    """Begin anew, as the same process, once the Redis of `serve` has another address.

    It keeps its port, but for one that a stranger took while it was away; a worker would look for it there for ever.
    A step under way is ended first.
    """
    seen = address
    while True:
        threading.Event().wait(_LOOK_EVERY)
        before = seen
        try:
            seen = broker_url(settings)
        except BrokerUnavailable:
            continue
        if seen and seen == before != address and not active_requests:  # seen twice: it was not half written
            _log.warning("broker_moved")
            ready.unlink(missing_ok=True)
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves
