"""A real worker whose Redis came back at another address."""

import os
import subprocess
import sys
import time
from pathlib import Path

from adapters.broker import CeleryBell, make_celery
from adapters.redis_server import RedisServer
from service.bootstrap import leave_broker_url, open_sealed_store
from service.config import load_settings
from service.model import Step, StepState
from service.pipeline import QUEUES

ROOT = Path(__file__).parents[2]


def test_a_worker_finds_the_redis_of_serve_where_it_has_moved_to(tmp_path: Path) -> None:
    settings = load_settings(home=str(tmp_path / "home"))
    _, store = open_sealed_store(settings)

    def is_taken(step: Step) -> bool:
        with store.read() as tx:
            return tx.step(step.id).state is not StepState.WAITING

    former = RedisServer(tmp_path / "former")
    leave_broker_url(settings, former.start())
    worker = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "worker", "--queue", "deliver"],
        cwd=ROOT,
        env={**os.environ, "EPIKRISE_HOME": str(settings.home)},
        stderr=subprocess.DEVNULL,
    )
    try:
        for redis in (former, RedisServer(tmp_path / "later")):
            leave_broker_url(settings, redis.start())
            with store.begin() as tx:  # not before: the worker itself rings for what is due
                step = tx.add_step("retract", "deliver", subject=str(redis.directory.name))
            bell = CeleryBell(make_celery(redis.url, queues=QUEUES))
            bell.ring([step])
            bell.close()
            deadline = time.monotonic() + 60
            while not is_taken(step):
                assert time.monotonic() < deadline, "it is deaf"
                assert worker.poll() is None
                time.sleep(0.1)
            redis.stop()
    finally:
        worker.terminate()
        worker.wait(30)
        store.close()
