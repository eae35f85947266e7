import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from adapters.broker import TASK, WORKER_OPTIONS, CeleryBell, make_celery
from adapters.redis_server import RedisServer
from service.errors import BrokerUnavailable, WrongSetting
from service.model import Step, StepState

QUEUES = ["intake", "write"]
NOW = datetime(2026, 3, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def a_step(queue: str = "write", *, id: str = "0123456789abcdef" * 2) -> Step:
    return Step(
        id=id,
        name="SECRETNAME",
        queue=queue,
        case_id="SECRETCASE",
        subject="SECRETSUBJECT",
        generation=4242,
        state=StepState.WAITING,
        attempts=0,
        token=0,
        created_at=NOW,
        not_before=NOW,
        error_text="SECRETERROR",
    )


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with server:
        yield server


@pytest.fixture
def server(_server: RedisServer) -> Iterator[RedisServer]:
    _server.start()
    with redis.Redis.from_url(_server.url) as client:
        client.flushall()
    yield _server
    if _server.pid is not None:
        os.kill(_server.pid, signal.SIGCONT)


@pytest.fixture
def bell(server: RedisServer) -> Iterator[CeleryBell]:
    bell = CeleryBell(make_celery(server.url, queues=QUEUES))
    yield bell
    bell.close()


def fails_within_two_seconds(call: Any) -> BrokerUnavailable:
    start = time.monotonic()
    with pytest.raises(BrokerUnavailable) as failure:
        call()
    assert time.monotonic() - start < 2
    return failure.value


def test_a_ring_lies_in_the_queue_of_its_step(bell: CeleryBell) -> None:
    bell.check()
    bell.ring([])
    bell.ring([a_step("write"), a_step("write"), a_step("intake")])
    assert bell.unheard(QUEUES) == {"intake": 1, "write": 2}


def test_redis_holds_the_steps_id_and_nothing_else_of_it(server: RedisServer, bell: CeleryBell) -> None:
    step = a_step()
    bell.ring([step])
    with redis.Redis.from_url(server.url) as client:
        (raw,) = client.lrange("write", 0, -1)
        everything = b" ".join(client.keys("*")) + b" " + raw
    message = json.loads(raw)
    headers = message["headers"]
    args, kwargs, embedded = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([step.id], {})
    assert not any(embedded.values())
    assert (headers["task"], headers["argsrepr"], headers["kwargsrepr"]) == (TASK, f"['{step.id}']", "{}")
    # the rest is Celery's own: random ids, and who sent it (process and host)
    ids = {headers["id"], headers["root_id"], message["properties"]["correlation_id"]}
    assert ids == {headers["id"]}
    assert re.fullmatch(r"gen\d+@" + re.escape(socket.gethostname()), headers["origin"])
    filled = {name for name, value in headers.items() if value not in (None, 0, {}, [], [None, None])}
    assert filled == {"lang", "task", "id", "root_id", "argsrepr", "kwargsrepr", "origin", "ignore_result"}
    for word in (b"SECRET", b"4242"):
        assert word not in everything + base64.b64decode(message["body"])


def test_a_queue_nobody_knows_is_a_wrong_setting(bell: CeleryBell) -> None:
    with pytest.raises(WrongSetting, match="wrtie"):
        bell.ring([a_step("wrtie")])


def test_while_redis_is_dead_every_call_fails_at_once_and_works_again_after(
    server: RedisServer, bell: CeleryBell
) -> None:
    bell.ring([a_step()])
    server.kill()
    for call in (lambda: bell.ring([a_step()]), bell.check, lambda: bell.unheard(QUEUES)):
        error = fails_within_two_seconds(call)
        assert "127.0.0.1" not in str(error)
    server.restart()
    bell.ring([a_step()])


def test_a_redis_that_hangs_fails_a_ring_within_two_seconds(server: RedisServer, bell: CeleryBell) -> None:
    bell.ring([a_step()])
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    fails_within_two_seconds(lambda: bell.ring([a_step()]))
    fails_within_two_seconds(bell.check)
    os.kill(server.pid, signal.SIGCONT)
    bell.ring([a_step()])


def test_a_port_that_accepts_and_never_answers_fails_within_two_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bell = CeleryBell(make_celery(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", queues=QUEUES))
        fails_within_two_seconds(lambda: bell.ring([a_step()]))
        fails_within_two_seconds(bell.check)
        bell.close()


def test_a_wrong_password_is_told_apart_and_not_shown(server: RedisServer) -> None:
    port = urlsplit(server.url).port
    bell = CeleryBell(make_celery(f"redis://:SECRETPASSWORD@127.0.0.1:{port}/0", queues=QUEUES))
    error = fails_within_two_seconds(bell.check)
    assert "password" in error.remedy
    assert "SECRETPASSWORD" not in repr(error)
    bell.close()


WORKER = """
import os, sys
from adapters.broker import TASK, make_celery
app = make_celery(os.environ["TEST_BROKER"], queues=["intake", "write"])

@app.task(name=TASK)
def step(step_id):
    print("HEARD", step_id, flush=True)
"""


def test_a_worker_hears_the_bell_and_again_after_redis_lost_everything(
    server: RedisServer, bell: CeleryBell, tmp_path: Path
) -> None:
    (tmp_path / "bellworker.py").write_text(WORKER)
    bell.ring([a_step(id="a" * 32)])
    environment = {**os.environ, "TEST_BROKER": server.url, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    command = [sys.executable, "-m", "celery", "-A", "bellworker", "worker", "-P", "threads", "-c", "2"]
    with subprocess.Popen(
        [*command, "-Q", "write", *WORKER_OPTIONS],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=tmp_path,
    ) as worker:
        assert worker.stdout is not None
        heard = (line for line in worker.stdout if line.startswith(b"HEARD"))
        assert next(heard).split()[1] == b"a" * 32
        server.kill()
        for file in server.data.iterdir():
            file.unlink()
        server.restart()
        bell.ring([a_step(id="b" * 32)])
        assert next(heard).split()[1] == b"b" * 32
        worker.terminate()


BUSY_WORKER = """
import os, sys
from adapters.broker import TASK, make_celery
app = make_celery(os.environ["TEST_BROKER"], queues=["intake", "write"])

@app.task(name=TASK)
def step(step_id):
    print("HEARD", step_id, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("ends", ["while Redis is away", "after its return"])
def test_a_worker_that_is_busy_while_redis_dies_hears_again(
    server: RedisServer, bell: CeleryBell, tmp_path: Path, ends: str
) -> None:
    """The step under way cannot be acknowledged any more, and must not keep the worker's only slot for ever."""
    (tmp_path / "busyworker.py").write_text(BUSY_WORKER)
    environment = {**os.environ, "TEST_BROKER": server.url, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    command = [sys.executable, "-m", "celery", "-A", "busyworker", "worker", "-P", "threads", "-c", "1"]
    bell.ring([a_step(id="a" * 32)])
    with subprocess.Popen(
        [*command, "-Q", "write", *WORKER_OPTIONS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stderr is not None
        deaf = threading.Timer(60, worker.kill)  # its silence then fails the test
        deaf.start()
        heard = (line.split()[1] for line in worker.stdout if line.startswith(b"HEARD"))
        assert next(heard) == b"a" * 32
        server.kill()
        if ends == "while Redis is away":
            worker.stdin.write(b"\n")
            worker.stdin.flush()
            assert any(b"ack" in line or b"lost" in line for line in worker.stderr)
        server.restart()
        threading.Thread(target=worker.stderr.read, daemon=True).start()
        if ends == "after its return":
            worker.stdin.write(b"\n")
            worker.stdin.flush()
        for letter in "bc":
            bell.ring([a_step(id=letter * 32)])
            assert next(heard, b"deaf") == letter.encode() * 32
            worker.stdin.write(b"\n")
            worker.stdin.flush()
        worker.terminate()
        worker.wait(30)
        deaf.cancel()
