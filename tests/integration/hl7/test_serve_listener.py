"""`epikrise serve` as a process: takes messages while the broker is away, and stops in order."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from certificates import an_authority
from mllp_peer import RawPeer, message

from adapters.hl7.mllp_client import ClientTls, send
from adapters.keys import open_keyring
from adapters.store import open_store

ROOT = Path(__file__).parents[3]


@contextmanager
def serving(home: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve"],
        cwd=ROOT,
        env={
            **os.environ,
            "EPIKRISE_HOME": str(home),
            "EPIKRISE_MLLP__PORT": "0",
            "EPIKRISE_WEB__PORT": "0",
            "EPIKRISE_BROKER__URL": "redis://127.0.0.1:1/0",
            **environment,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def test_the_service_acknowledges_what_it_has_on_disk_and_ends_quietly_on_sigterm(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        assert process.stderr is not None
        told = re.search(r"MLLP on ([\d.]+):(\d+)", process.stderr.readline())
        assert told is not None
        peer = RawPeer((told[1], int(told[2])))
        assert peer.ask(message())["MSA"][1:3] == ["AA", "M1"]
        process.send_signal(signal.SIGTERM)
        assert peer.is_closed()
        peer.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    store = open_store(f"sqlite:///{tmp_path / 'epikrise.db'}", open_keyring(tmp_path))
    with store.begin() as tx:
        _, is_new = tx.add_message(channel="mllp", sender="KIS|KH", control_id="M1", body=message(), ack_code="AA")
    store.close()
    assert not is_new
    assert "Beispiel" not in (tmp_path / "logs" / "serve.log").read_text(encoding="utf-8")


def test_a_listener_that_cannot_start_is_told_by_its_setting_with_code_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with serving(tmp_path, EPIKRISE_MLLP__PORT=port) as process:
            assert process.wait(120) == 2
            assert process.stderr is not None
            said = process.stderr.read()
    assert f"127.0.0.1:{port}" in said
    assert "mllp.port" in said
    assert "Traceback" not in said


def test_the_service_takes_a_new_certificate_on_sighup_and_goes_on(tmp_path: Path) -> None:
    authority = an_authority(tmp_path)
    certificate, key = authority.issue("listener")
    tls = ClientTls(ca=authority.certificate)
    files = {"EPIKRISE_MLLP__CERTIFICATE": str(certificate), "EPIKRISE_MLLP__KEY": str(key)}
    with serving(tmp_path / "home", **files) as process:
        assert process.stderr is not None
        told = re.search(r"MLLP on ([\d.]+):(\d+)", process.stderr.readline())
        assert told is not None
        address = told[1], int(told[2])
        assert [ack.code for ack in send([message()], *address, tls=tls)] == ["AA"]
        authority.issue("listener")
        process.send_signal(signal.SIGHUP)
        log = tmp_path / "home" / "logs" / "serve.log"
        wait_for_word(log, "mllp_certificate_taken")  # before any connection could have looked at the file
        assert [ack.code for ack in send([message(control_id="M2")], *address, tls=tls)] == ["AA"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def wait_for_word(log: Path, word: str) -> None:
    deadline = time.monotonic() + 30
    while word not in log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, f"{word} was never logged"
        time.sleep(0.05)
