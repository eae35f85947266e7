"""Bad peers and bad days: each gets a clear answer, and the next good message goes through."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from mllp_peer import QUICK, RawPeer, Running, framed, listening, message

from adapters.store import SqlStore
from service.errors import StoreUnavailable
from service.model import StoredMessage
from service.ports import Transaction

Kept = Callable[[], list[StoredMessage]]
Connect = Callable[[], RawPeer]
GARBAGE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\x80\xff"


class FragileStore:
    """A store that can be away, or hold a transaction until it is let go."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.is_away = False
        self.is_broken = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        if self.is_away:
            raise StoreUnavailable("test")
        if self.is_broken:
            raise ValueError("quotes Geheimname")
        with self._store.begin() as transaction:
            yield transaction
            self.may_go_on.wait(20)

    def check(self) -> None:
        self._store.check()


@pytest.fixture
def fragile(kept_store: SqlStore) -> FragileStore:
    return FragileStore(kept_store)


def code(answer: dict[str, list[str]]) -> str:
    return answer["MSA"][1]


def takes_good_messages(peer: RawPeer, other: RawPeer) -> bool:
    return code(peer.ask(message(control_id="same"))) == code(other.ask(message(control_id="other"))) == "AA"


# ---------------------------------------------------------------- frames


def test_bytes_outside_a_frame_are_refused_and_kept(peer: RawPeer, connect: Connect, kept: Kept) -> None:
    peer.write(GARBAGE)
    answer = peer.answer()
    assert (code(answer), answer["ERR"][3].split("^")[0]) == ("AR", "207")
    assert "start block" in answer["ERR"][8]
    assert takes_good_messages(peer, connect())
    assert [(stored.body, stored.state, stored.error_code) for stored in kept()[:1]] == [
        (GARBAGE, "refused", "no_start_block")
    ]


def test_bytes_before_a_frame_are_kept_and_only_the_frame_is_answered(peer: RawPeer, kept: Kept) -> None:
    peer.write(GARBAGE + framed(message()))
    assert code(peer.answer()) == "AA"
    assert peer.is_silent()
    assert [stored.error_code for stored in kept()] == ["no_start_block", None]


def test_a_message_without_its_frame_is_refused_under_its_own_control_id(peer: RawPeer) -> None:
    peer.write(message(control_id="BARE"))
    assert peer.answer()["MSA"][1:3] == ["AR", "BARE"]


def test_a_frame_that_the_next_one_cuts_off_is_refused_and_the_next_is_taken(peer: RawPeer, kept: Kept) -> None:
    peer.write(b"\x0b" + message(control_id="CUT")[:120] + framed(message()))
    assert peer.answer()["MSA"][1:3] == ["AR", "CUT"]
    assert peer.answer()["MSA"][1:3] == ["AA", "M1"]
    assert [(stored.control_id, stored.error_code) for stored in kept()] == [("CUT", "truncated"), ("M1", None)]


def test_a_frame_that_the_end_cuts_off_is_refused_and_kept(peer: RawPeer, connect: Connect, kept: Kept) -> None:
    peer.write(framed(message()) + b"\x0b" + message(control_id="CUT"))
    peer.end()
    assert [peer.answer()["MSA"][1:3] for _ in range(2)] == [["AA", "M1"], ["AR", "CUT"]]
    assert peer.is_closed()
    assert code(connect().ask(message(control_id="M2"))) == "AA"
    assert [stored.state for stored in kept()] == ["stored", "refused", "stored"]


def test_a_peer_that_falls_silent_within_a_frame_is_told(kept_store: SqlStore, kept: Kept) -> None:
    with listening(kept_store, limits=replace(QUICK, idle=0.2)) as listener:
        peer = RawPeer(listener.address)
        peer.write(b"\x0b" + message(control_id="CUT"))
        answer = peer.answer()
        peer.close()
    assert answer["MSA"][1:3] == ["AR", "CUT"]
    assert "truncated" in answer["ERR"][8]
    assert [stored.error_code for stored in kept()] == ["truncated"]


def test_a_peer_that_vanishes_costs_nobody_else_anything(connect: Connect, kept: Kept) -> None:
    for _ in range(20):
        vanishing = connect()
        vanishing.write(b"\x0b" + message()[:50])
        vanishing.close()
    assert code(connect().ask(message())) == "AA"


def test_a_frame_too_large_is_refused_and_the_connection_goes_on(kept_store: SqlStore, kept: Kept) -> None:
    with listening(kept_store, limits=replace(QUICK, max_message_bytes=1000)) as listener:
        peer, other = RawPeer(listener.address), RawPeer(listener.address)
        large = message("ORU^R01", control_id="BIG", segments=("OBX|1|TX|a||" + "x" * 600_000,))
        answer = peer.ask(large)
        assert answer["MSA"][1:3] == ["AR", "BIG"]
        assert "larger" in answer["ERR"][8]
        assert takes_good_messages(peer, other)
        peer.close()
        other.close()
    refused, *good = kept()
    assert (refused.control_id, refused.error_code, large.startswith(refused.body)) == ("BIG", "too_large", True)
    assert [stored.state for stored in good] == ["stored", "stored"]


def test_junk_without_an_end_is_cut_off_with_a_word(kept_store: SqlStore) -> None:
    with listening(kept_store, limits=replace(QUICK, max_message_bytes=1000)) as listener:
        peer, other = RawPeer(listener.address), RawPeer(listener.address)
        peer.write(b"x" * 5000)
        assert code(peer.answer()) == "AR"
        assert peer.is_closed()
        assert code(other.ask(message())) == "AA"
        peer.close()
        other.close()


def test_one_connection_too_many_is_told_to_come_back(kept_store: SqlStore) -> None:
    with listening(kept_store, limits=replace(QUICK, max_connections=2)) as listener:
        peers = [RawPeer(listener.address) for _ in range(2)]
        assert [code(peer.ask(message(control_id=str(number)))) for number, peer in enumerate(peers)] == ["AA", "AA"]
        surplus = RawPeer(listener.address)
        answer = surplus.answer()
        assert (code(answer), "too many" in answer["ERR"][8]) == ("AR", True)
        for peer in (*peers, surplus):
            peer.close()


# ---------------------------------------------------------------- the store


def test_no_acknowledgement_leaves_before_the_commit(fragile: FragileStore, kept: Kept) -> None:
    with listening(fragile) as listener:
        peer = RawPeer(listener.address)
        fragile.may_go_on.clear()
        peer.write(framed(message()))
        assert peer.is_silent()
        assert kept() == []
        fragile.may_go_on.set()
        assert code(peer.answer()) == "AA"
        assert len(kept()) == 1
        peer.close()


@pytest.mark.parametrize(("accept", "refusal"), [("", "AR"), ("AL", "CE"), ("ER", "CE")])
def test_without_the_store_nothing_is_acknowledged_and_the_sender_sends_again(
    accept: str, refusal: str, fragile: FragileStore, kept: Kept
) -> None:
    with listening(fragile) as listener:
        peer = RawPeer(listener.address)
        fragile.is_away = True
        answer = peer.ask(message(accept=accept))
        assert (code(answer), answer["MSA"][2], kept()) == (refusal, "M1", [])
        assert "send again" in answer["ERR"][8]
        fragile.is_away = False
        peer.write(framed(message(accept=accept)))
        if accept != "ER":
            assert code(peer.answer()) == ("CA" if accept else "AA")
        assert code(peer.ask(message(control_id="M2"))) == "AA"
        peer.close()
    assert [stored.control_id for stored in kept()] == ["M1", "M2"]


def test_a_sender_that_wants_no_answer_learns_from_the_closed_connection(fragile: FragileStore) -> None:
    with listening(fragile) as listener:
        peer = RawPeer(listener.address)
        fragile.is_away = True
        peer.write(framed(message(accept="NE")))
        assert peer.is_closed()
        peer.close()


def test_garbage_while_the_store_is_away_is_refused_all_the_same(fragile: FragileStore) -> None:
    with listening(fragile) as listener:
        peer = RawPeer(listener.address)
        fragile.is_away = True
        peer.write(GARBAGE)
        assert code(peer.answer()) == "AR"
        assert code(peer.ask(b"no header")) == "AR"
        peer.close()


# ---------------------------------------------------------------- stopping


def test_a_stop_answers_what_was_received_and_takes_nothing_new(fragile: FragileStore, kept: Kept) -> None:
    with listening(fragile) as listener:
        idle, busy = RawPeer(listener.address), RawPeer(listener.address)
        assert code(idle.ask(message(control_id="M0"))) == "AA"
        fragile.may_go_on.clear()
        busy.write(framed(message(control_id="M1")) + framed(message(control_id="M2")))
        assert busy.is_silent(0.1)
        stopping = threading.Thread(target=listener.stop)
        stopping.start()
        assert idle.is_closed()
        fragile.may_go_on.set()
        assert [busy.answer()["MSA"][1:3] for _ in range(2)] == [["AA", "M1"], ["AA", "M2"]]
        assert busy.is_closed()
        stopping.join(20)
        with pytest.raises(ConnectionRefusedError):
            RawPeer(listener.address)
        idle.close()
        busy.close()
    assert [stored.control_id for stored in kept()] == ["M0", "M1", "M2"]


def test_a_half_sent_message_does_not_hold_up_a_stop_for_ever(listener: Running, peer: RawPeer) -> None:
    peer.write(b"\x0b" + message(control_id="CUT"))
    assert peer.is_silent(0.1)
    listener.stop()
    assert peer.answer()["MSA"][1:3] == ["AR", "CUT"]


def test_a_store_that_hangs_holds_up_a_stop_only_so_long_and_without_a_traceback(
    fragile: FragileStore, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(fragile, limits=replace(QUICK, stop=0.1, write=0.1)) as listener:
        peer = RawPeer(listener.address)
        fragile.may_go_on.clear()
        peer.write(framed(message()))
        assert peer.is_silent(0.1)
        listener.stop()
        assert peer.is_closed()
        fragile.may_go_on.set()
        peer.close()
    assert not [record for record in caplog.records if record.exc_info]


# ---------------------------------------------------------------- privacy


def test_no_log_line_tells_what_was_in_a_message(peer: RawPeer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        peer.ask(message(family="Geheimname"))
        peer.ask(message("ADT^A99", family="Geheimname"))
        peer.write(b"Geheimname")
        assert code(peer.answer()) == "AR"
        assert code(peer.ask(message(control_id="M2"))) == "AA"
    assert "Geheimname" not in "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)


def test_a_fault_of_ours_is_answered_with_a_reference_that_the_log_has_too(
    fragile: FragileStore, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(fragile) as listener:
        peer = RawPeer(listener.address)
        fragile.is_broken = True
        answer = peer.ask(message())
        fragile.is_broken = False
        assert code(peer.ask(message())) == "AA"
        peer.close()
    (record,) = [record for record in caplog.records if record.msg == "mllp_receive_failed"]
    assert (code(answer), answer["MSA"][2]) == ("AE", "M1")
    assert answer["ERR"][8].endswith(vars(record)["code"])
    assert "Geheimname" not in f"{answer} {vars(record)}"
