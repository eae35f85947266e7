"""Senders nobody here wrote, against the real listener over a real store: they get an answer that they accept."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import hl7
import pytest
from mllp_peer import Running, framed, message
from peer_programs import MLLP_SEND, NEEDS_PEERS, Ended, run_client

from service.model import StoredMessage

pytestmark = pytest.mark.slow

Kept = Callable[[], list[StoredMessage]]
Program = Callable[[tuple[str, int], Path, str], Ended]
Send = Callable[..., Ended]

UMLAUTS = "Müßig-Öztürk"


def medplum(address: tuple[str, int], file: Path, encoding: str) -> Ended:
    return run_client("mllp_medplum.mjs", address, file, encoding)


def node_hl7_client(address: tuple[str, int], file: Path, encoding: str) -> Ended:
    return run_client("mllp_node_hl7_client.mjs", address, file, encoding)


def mllp_send(address: tuple[str, int], file: Path, encoding: str) -> Ended:
    """python-hl7's command takes the bytes as they are; its exit code says nothing of the answers."""
    host, port = address
    command = [str(MLLP_SEND), "--port", str(port), "--file", str(file), host]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    frames = [frame.strip(b"\x0b\r\n") for frame in done.stdout.split(b"\x1c")]
    segments = [hl7.parse(frame.decode(encoding)).segment("MSA") for frame in frames if frame]
    answers = [(str(each[1]), str(each[2])) for each in segments]
    accepted = done.returncode == 0 and all(code in {"AA", "CA"} for code, _ in answers)
    return Ended(exit_code=0 if accepted else 1, answers=answers, said=done.stderr.decode())


@pytest.fixture(
    params=[
        pytest.param(medplum, marks=NEEDS_PEERS, id="@medplum/hl7"),
        pytest.param(node_hl7_client, marks=NEEDS_PEERS, id="node-hl7-client"),
        pytest.param(mllp_send, id="mllp_send"),
    ]
)
def send(request: pytest.FixtureRequest, listener: Running, tmp_path: Path) -> Send:
    """Sends messages with somebody else's program, one after the other on one connection."""
    program: Program = request.param

    def send(*bodies: bytes, encoding: str = "utf-8") -> Ended:
        file = tmp_path / "messages.mllp"
        file.write_bytes(b"".join(framed(body) for body in bodies))
        return program(listener.address, file, encoding)

    return send


def kept_bodies(kept: Kept) -> list[bytes]:
    """Without the last CR: each of these clients leaves it away, and what stands before it is the message."""
    return [stored.body.rstrip(b"\r") for stored in kept()]


@pytest.mark.parametrize(("accept", "application", "code"), [("", "", "AA"), ("AL", "NE", "CA"), ("AL", "", "CA")])
def test_several_messages_on_one_connection_are_kept_as_sent_and_each_answer_is_accepted(
    accept: str, application: str, code: str, send: Send, kept: Kept
) -> None:
    bodies = [message(control_id=f"M{number}", accept=accept, application=application) for number in range(5)]
    ended = send(*bodies)
    assert (ended.exit_code, ended.answers) == (0, [(code, f"M{number}") for number in range(5)]), ended.said
    assert kept_bodies(kept) == [body.rstrip(b"\r") for body in bodies]


def test_both_answers_of_enhanced_mode_are_taken(send: Send) -> None:
    """mllp_send prints both; the programs made of the npm clients go on after the first."""
    ended = send(*(message(control_id=f"M{number}", accept="AL", application="AL") for number in range(5)))
    reported = [("CA", f"M{number}") for number in range(5)]
    both = [(code, f"M{number}") for number in range(5) for code in ("CA", "AA")]
    assert ended.exit_code == 0, ended.said
    assert ended.answers in (reported, both)


@pytest.mark.parametrize(("charset", "encoding"), [("UNICODE UTF-8", "utf-8"), ("8859/1", "latin1")])
def test_umlauts_are_kept_byte_for_byte(charset: str, encoding: str, send: Send, kept: Kept) -> None:
    body = message(family=UMLAUTS, charset=charset, encoding=encoding)
    ended = send(body, encoding=encoding)
    assert (ended.exit_code, ended.answers) == (0, [("AA", "M1")]), ended.said
    assert kept_bodies(kept) == [body.rstrip(b"\r")]


def test_a_message_of_a_megabyte_is_kept_whole_and_accepted(send: Send, kept: Kept) -> None:
    lines = tuple(f"OBX|{n}|ED|PDF^Befund||KIS^application^pdf^Base64^{'QUJD' * 2500}||||||F" for n in range(1, 106))
    body = message("ORU^R01", segments=lines)
    assert len(body) > 1024 * 1024
    ended = send(body, message(control_id="M2"))
    assert (ended.exit_code, ended.answers) == (0, [("AA", "M1"), ("AA", "M2")]), ended.said
    assert kept_bodies(kept)[0] == body.rstrip(b"\r")


def test_a_refusal_is_read_as_one(send: Send) -> None:
    ended = send(message(processing="X"), message(control_id="M2"))
    assert (ended.exit_code, ended.answers) == (1, [("AR", "M1"), ("AA", "M2")]), ended.said
