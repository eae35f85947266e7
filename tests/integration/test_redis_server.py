import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from adapters.redis_server import RedisServer, find_redis
from service.errors import BrokerUnavailable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / 'with "quotes" and spaces')
    server.start()
    yield server
    server.stop()


def test_it_answers_to_its_address_only_with_the_password(server: RedisServer) -> None:
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    with (
        redis.Redis(port=urlsplit(server.url).port or 0, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_the_password_stands_in_a_private_file_and_nowhere_else(server: RedisServer) -> None:
    password = urlsplit(server.url).password
    assert password is not None
    configuration = server.directory / "redis.conf"
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600
    assert password in configuration.read_text()
    assert server.pid is not None
    for shown in ("cmdline", "environ"):
        assert password.encode() not in Path(f"/proc/{server.pid}/{shown}").read_bytes()
    assert password not in repr(server)
    assert password not in (server.directory / "redis.log").read_text()


def test_what_was_written_outlives_a_stop_and_a_restart_keeps_the_address(server: RedisServer) -> None:
    url = server.url
    with redis.Redis.from_url(url) as client:
        client.lpush("write", "bell")
    assert server.restart() == url
    with redis.Redis.from_url(url) as client:
        assert client.llen("write") == 1


def test_killed_and_robbed_of_its_data_it_comes_back_empty_on_the_same_address(server: RedisServer) -> None:
    url = server.url
    with redis.Redis.from_url(url) as client:
        client.lpush("write", "bell")
    server.kill()
    assert server.pid is None
    shutil.rmtree(server.data)
    assert server.restart() == url
    with redis.Redis.from_url(url) as client:
        assert client.dbsize() == 0


def test_another_starter_in_the_same_folder_finds_the_address_that_clients_know(server: RedisServer) -> None:
    url = server.url
    server.stop()
    with RedisServer(server.directory) as again:
        assert again == url


def test_a_port_that_a_stranger_took_meanwhile_is_given_up(server: RedisServer) -> None:
    port = urlsplit(server.url).port
    server.stop()
    with socket.create_server(("127.0.0.1", port or 0)), RedisServer(server.directory) as again:
        assert urlsplit(again).port != port
        with redis.Redis.from_url(again) as client:
            assert client.ping()


def test_as_a_context_it_ends_with_its_block(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    with server as url, redis.Redis.from_url(url) as client:
        assert client.ping()
        pid = server.pid
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()


def test_starting_twice_is_starting_once(server: RedisServer) -> None:
    pid = server.pid
    server.start()
    assert server.pid == pid


def test_two_servers_do_not_share_a_folder(server: RedisServer) -> None:
    with pytest.raises(BrokerUnavailable, match="another Redis"):
        RedisServer(server.directory).start()
    assert server.pid is not None


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from adapters.redis_server import RedisServer\n"
        "server = RedisServer(Path(sys.argv[1])); server.start(); print(server.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT) as starter:
        assert starter.stdout is not None
        orphan = int(starter.stdout.readline())
        with pytest.raises(BrokerUnavailable):
            RedisServer(tmp_path).start()
        starter.kill()
    deadline = time.monotonic() + 5
    while (successor := _started(tmp_path)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert successor is not None, f"{orphan} still writes to the folder"
    successor.stop()


def _started(directory: Path) -> RedisServer | None:
    """None while another Redis lives there: the lock is held by the server itself, not by its starter."""
    server = RedisServer(directory)
    try:
        server.start()
    except BrokerUnavailable:
        return None
    return server


def test_ctrl_c_in_the_terminal_does_not_end_it_before_its_starter(server: RedisServer) -> None:
    assert server.pid is not None
    assert os.getpgid(server.pid) != os.getpgid(0)


def test_a_redis_that_cannot_start_is_named_with_its_log(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    server.kill()
    (server.data / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\nthis is no append-only file\r\n" * 3)
    with pytest.raises(BrokerUnavailable, match=r"redis\.log"):
        server.restart()
    assert server.pid is None


def test_without_any_redis_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(BrokerUnavailable, match="install Redis"):
        RedisServer(tmp_path / "redis").start()


def test_a_binary_that_does_not_run_here_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "redis-server"
    broken.write_bytes(b"\x7fELF of another machine")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis() != str(broken)
