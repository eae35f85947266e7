"""Enhanced mode's second answer, and batches: what a sender that asks for more than one code gets."""

import json
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from mllp_peer import RawPeer, Running, framed, listening, message
from test_mllp_faults import FragileStore

from adapters.hl7.mllp_client import send
from adapters.store import SqlStore
from service.cli.main import run
from service.model import StoredMessage

Kept = Callable[[], list[StoredMessage]]


def codes(peer: RawPeer, count: int) -> list[tuple[str, str]]:
    answers = [peer.answer()["MSA"] for _ in range(count)]
    assert peer.is_silent(0.1)
    return [(msa[1], msa[2]) for msa in answers]


@pytest.mark.parametrize(
    ("accept", "application", "expected"),
    [
        ("AL", "AL", ["CA", "AA"]),
        ("AL", "SU", ["CA", "AA"]),
        ("AL", "ER", ["CA"]),
        ("AL", "NE", ["CA"]),
        ("AL", "", ["CA"]),
        ("", "AL", ["CA", "AA"]),
        ("NE", "AL", ["AA"]),
        ("ER", "AL", ["AA"]),
        ("NE", "NE", []),
        ("", "", ["AA"]),
    ],
)
def test_a_taken_message_is_accepted_and_then_answered_as_msh_16_asks(
    accept: str, application: str, expected: list[str], peer: RawPeer, kept: Kept
) -> None:
    for control_id in ("1", "2"):  # the second time the header is known
        peer.write(framed(message(control_id=control_id, accept=accept, application=application)))
        assert codes(peer, len(expected)) == [(code, control_id) for code in expected]
    assert [stored.ack_code for stored in kept()] == [expected[0] if expected else None] * 2


@pytest.mark.parametrize(
    ("accept", "application", "expected"),
    [("AL", "AL", ["CR"]), ("ER", "ER", ["CR"]), ("NE", "ER", ["AR"]), ("NE", "AL", ["AR"]), ("SU", "SU", [])],
)
def test_a_refusal_is_told_once(accept: str, application: str, expected: list[str], peer: RawPeer) -> None:
    peer.write(framed(message("ADT^Q77", accept=accept, application=application)))
    assert codes(peer, len(expected)) == [(code, "M1") for code in expected]


def test_an_answer_is_never_answered(peer: RawPeer, kept: Kept) -> None:
    peer.write(framed(message("ACK^A03", accept="AL", application="AL", segments=("MSA|AA|X",))))
    assert peer.is_silent()
    assert [stored.ack_code for stored in kept()] == [None]


@pytest.mark.parametrize(
    ("accept", "application", "expected"),
    [
        ("AL", "AL", ("CA", "AA")),
        ("AL", "SU", ("CA", "AA")),
        ("AL", "ER", ("CA", None)),
        ("", "AL", ("CA", "AA")),
        ("NE", "AL", ("AA", None)),
        ("NE", "NE", ("", None)),
        ("", "", ("AA", None)),
    ],
)
def test_our_sender_gives_one_result_a_message_with_all_its_answers(
    accept: str, application: str, expected: tuple[str, str | None], listener: Running
) -> None:
    asking = message(control_id="1", accept=accept, application=application)
    told = list(send([asking, message(control_id="2")], *listener.address, timeout=5.0))
    seen = [(each.control_id, each.code, each.application and each.application.code) for each in told]
    assert seen == [("1", *expected), ("2", "AA", None)]
    assert all(each.is_positive for each in told)


def test_the_command_line_shows_each_message_its_own_answers(
    listener: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "two.hl7"
    file.write_bytes(
        message(control_id="1", accept="AL", application="AL") + message(control_id="2", accept="NE", application="AL")
    )
    address = ":".join(map(str, listener.address))

    def called(*more: str) -> str:
        monkeypatch.setattr("sys.argv", ["epikrise", "send", str(file), "--to", address, "--timeout", "5", *more])
        with pytest.raises(SystemExit) as ended:
            run()
        assert not ended.value.code
        return capsys.readouterr().out

    assert called().splitlines() == ["1  CA  AA", "2  AA"]
    rows = [(row["control_id"], row["code"], row["application"]) for row in json.loads(called("--json"))]
    assert rows == [("1", "CA", "AA"), ("2", "AA", None)]


def an_answer(code: str, control_id: str) -> bytes:
    return framed(b"MSH|^~\\&|EPI|STR|KIS|KH|20260312||ACK|X|P|2.5\rMSA|%s|%s\r" % (code.encode(), control_id.encode()))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([("CA", "1")], [("AA", "1"), ("AA", "2")], ["", "AA"]),
        ([("CA", "1"), ("AE", "1")], [("AA", "2")], ["AE", "AA"]),
    ],
    ids=["the second answer comes late", "the application refuses"],
)
def test_what_a_foreign_listener_does_with_the_second_answer(
    first: list[tuple[str, str]], second: list[tuple[str, str]], expected: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                for answers in (first, second):
                    assert connection.recv(65536)
                    connection.sendall(b"".join(an_answer(*each) for each in answers))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        bodies = [message(control_id="1", accept="AL", application="AL"), message(control_id="2")]
        told = list(send(bodies, "127.0.0.1", server.getsockname()[1], timeout=2.0))
        thread.join(5)
    assert (told[0].application.code if told[0].application else "") == expected[0]
    assert [each.code for each in told] == ["CA", expected[1]]
    assert told[0].is_positive == (expected[0] != "AE")
    assert ("no application acknowledgement" in told[0].text) == (not expected[0])


# ---------------------------------------------------------------- batches


def batch(*bodies: bytes, file: bool = True) -> bytes:
    inside = b"BHS|^~\\&|KIS|KH|EPI|STR|20260312||||B7\r" + b"".join(bodies) + b"BTS|%d\r" % len(bodies)
    return b"FHS|^~\\&|KIS|KH|EPI|STR|20260312||||F7\r" + inside + b"FTS|1\r" if file else inside


def answered(peer: RawPeer) -> list[list[str]]:
    return [segment.split("|") for segment in peer.raw_answer().decode().rstrip("\r").split("\r")]


def test_each_message_of_a_batch_is_kept_and_answered_in_one_batch(
    peer: RawPeer, kept: Kept, kept_store: SqlStore
) -> None:
    peer.write(framed(batch(message(control_id="1"), message("ADT^Q77", control_id="2"), message(control_id="3"))))
    segments = answered(peer)
    assert [segment[0] for segment in segments] == [
        "FHS", "BHS", "MSH", "MSA", "MSH", "MSA", "ERR", "MSH", "MSA", "BTS", "FTS",
    ]  # fmt: skip
    assert [segment[1:3] for segment in segments if segment[0] == "MSA"] == [["AA", "1"], ["AR", "2"], ["AA", "3"]]
    file, group = segments[:2]
    assert (file[2:6], file[11]) == (["EPI", "STR", "KIS", "KH"], "F7")
    assert (group[2:6], group[11]) == (["EPI", "STR", "KIS", "KH"], "B7")
    assert segments[-2:] == [["BTS", "3"], ["FTS", "1"]]
    assert [(stored.control_id, stored.state) for stored in kept()] == [
        ("1", "stored"), ("2", "refused"), ("3", "stored"),
    ]  # fmt: skip
    with kept_store.read() as tx:
        assert len(tx.due_steps(unrung_for=timedelta(0))) == 2


def test_a_batch_without_a_file_is_answered_without_one(peer: RawPeer) -> None:
    peer.write(framed(batch(message(control_id="1"), file=False)))
    assert [segment[0] for segment in answered(peer)] == ["BHS", "MSH", "MSA", "BTS"]


def test_a_batch_that_is_sent_again_is_kept_once(peer: RawPeer, kept: Kept) -> None:
    for _ in range(2):
        peer.write(framed(batch(message(control_id="1"), message(control_id="2"))))
        assert len(answered(peer)) == 8
    assert [stored.control_id for stored in kept()] == ["1", "2"]


def test_a_batch_of_messages_that_want_no_answer_gets_none(peer: RawPeer, kept: Kept) -> None:
    peer.write(framed(batch(message(accept="NE"))))
    assert peer.is_silent()
    assert len(kept()) == 1


def test_a_batch_of_nothing_is_refused_and_kept(peer: RawPeer, kept: Kept) -> None:
    answer = peer.ask(batch())
    assert (answer["MSA"][1], answer["ERR"][3].split("^")[0]) == ("AR", "100")
    assert [(stored.state, stored.error_code) for stored in kept()] == [("refused", "empty_batch")]


def test_no_answer_to_a_batch_leaves_before_all_of_it_is_on_disk(kept_store: SqlStore, kept: Kept) -> None:
    fragile = FragileStore(kept_store)
    with listening(fragile) as listener:
        peer = RawPeer(listener.address)
        fragile.may_go_on.clear()
        peer.write(framed(batch(*(message(control_id=str(number)) for number in range(5)))))
        assert peer.is_silent(0.2)
        fragile.may_go_on.set()
        assert len(answered(peer)) == 14
        assert len(kept()) == 5
        peer.close()


def test_a_batch_while_the_store_is_away_is_told_message_by_message(kept_store: SqlStore, kept: Kept) -> None:
    fragile = FragileStore(kept_store)
    with listening(fragile) as listener:
        peer = RawPeer(listener.address)
        fragile.is_away = True
        peer.write(framed(batch(message(control_id="1"), message(control_id="2", accept="AL"))))
        told = [segment[1:3] for segment in answered(peer) if segment[0] == "MSA"]
        assert told == [["AR", "1"], ["CE", "2"]]
        peer.close()
    assert kept() == []
