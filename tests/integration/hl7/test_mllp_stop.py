"""The listener stops while its peers go on sending."""

import socket
import threading
import time
from dataclasses import replace

import pytest
from listener_fixtures import Kept
from mllp_peer import QUICK, RawPeer, Running, framed, listening, message

from adapters.store import SqlStore

PATIENT = replace(QUICK, stop=5.0)


class SteadySender:
    """Sends the next message as soon as one is answered, for as long as it is let."""

    def __init__(self, address: tuple[str, int], name: str) -> None:
        self.name = name
        self.answered: list[str] = []
        self.end = ""
        self.under_way = threading.Event()
        self._socket = socket.create_connection(address, timeout=20)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(20)
        self._socket.close()

    def _run(self) -> None:
        try:
            while True:
                name = f"{self.name}{len(self.answered)}"
                self._socket.sendall(framed(message(control_id=name)))
                answer = b""
                while not answer.endswith(b"\x1c\r"):
                    chunk = self._socket.recv(4096)
                    if not chunk:
                        self.end = "closed" if not answer else "cut off"
                        return
                    answer += chunk
                assert f"MSA|AA|{name}".encode() in answer
                self.answered.append(name)
                if len(self.answered) >= 20:
                    self.under_way.set()
        except OSError as error:
            self.end = type(error).__name__


def test_peers_that_always_have_a_next_message_are_let_go_in_order_and_soon(
    kept_store: SqlStore, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(kept_store, limits=PATIENT) as listener:
        senders = [SteadySender(listener.address, name) for name in "ABC"]
        for sender in senders:
            assert sender.under_way.wait(20)
        began = time.monotonic()
        listener.stop()
        took = time.monotonic() - began
        for sender in senders:
            sender.join()
    assert [sender.end for sender in senders] == ["closed"] * 3
    assert took < PATIENT.stop
    assert "mllp_connection_cut_off" not in caplog.text
    assert sorted(stored.control_id for stored in kept()) == sorted(
        name for sender in senders for name in sender.answered
    )


def test_a_message_begun_before_the_stop_is_taken_and_the_one_behind_it_is_not(
    listener: Running, peer: RawPeer, kept: Kept
) -> None:
    begun, behind = framed(message(control_id="BEGUN")), framed(message(control_id="BEHIND"))
    peer.write(framed(message(control_id="M0")) + begun[:40])
    assert peer.answer()["MSA"][1:3] == ["AA", "M0"]
    stopping = threading.Thread(target=listener.stop)
    stopping.start()
    while accepts(listener):
        pass
    peer.write(begun[40:] + behind[:-5])
    assert peer.answer()["MSA"][1:3] == ["AA", "BEGUN"]
    assert peer.is_closed()
    peer.close()
    stopping.join(20)
    assert [stored.control_id for stored in kept()] == ["M0", "BEGUN"]


def accepts(listener: Running) -> bool:
    try:
        socket.create_connection(listener.address).close()
    except ConnectionRefusedError:
        return False
    return True
