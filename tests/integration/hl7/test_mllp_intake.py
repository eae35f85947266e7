"""What a sending system sees and what is on disk by then: real sockets, a real store."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from mllp_peer import RawPeer, framed, message

from adapters.store import SqlStore
from service.model import StoredMessage

Kept = Callable[[], list[StoredMessage]]
Connect = Callable[[], RawPeer]


def codes(answer: dict[str, list[str]]) -> tuple[str, str]:
    return answer["MSA"][1], answer["MSA"][2]


def split(data: bytes, size: int) -> Sequence[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("kind", ["ADT^A01", "ADT^A03", "ADT^A08", "ADT^A13", "ORU^R01"])
def test_a_message_is_on_disk_byte_for_byte_when_its_acknowledgement_arrives(
    kind: str, peer: RawPeer, kept: Kept, kept_store: SqlStore
) -> None:
    answer = peer.ask(message(kind))
    (stored,) = kept()
    assert codes(answer) == ("AA", "M1")
    assert "ERR" not in answer
    assert (stored.body, stored.sender, stored.control_id) == (message(kind), "KIS|KH", "M1")
    assert (stored.state, stored.ack_code, stored.error_code) == ("stored", "AA", None)
    with kept_store.read() as tx:
        steps = tx.due_steps(unrung_for=timedelta(0))
    assert [(step.name, step.subject) for step in steps] == [("read", stored.id)]


def test_each_answer_has_a_control_id_of_its_own_and_names_us_as_the_sender(peer: RawPeer) -> None:
    first, second = peer.ask(message(control_id="1")), peer.ask(message(control_id="2"))
    assert first["MSH"][9] != second["MSH"][9]
    assert first["MSH"][2:6] == ["EPI", "STR", "KIS", "KH"]
    assert first["MSH"][8] == "ACK^A03^ACK"


@pytest.mark.parametrize(
    ("accept", "application", "code"),
    [("AL", "", "CA"), ("AL", "NE", "CA"), ("SU", "", "CA"), ("", "ER", "CA"), ("NE", "", None), ("ER", "NE", None)],
)
def test_enhanced_mode_is_answered_as_the_sender_asked(
    accept: str, application: str, code: str | None, peer: RawPeer, kept: Kept
) -> None:
    peer.write(framed(message(accept=accept, application=application)))
    if code is None:
        assert peer.is_silent()
    else:
        assert codes(peer.answer()) == (code, "M1")
    assert codes(peer.ask(message(control_id="M2"))) == ("AA", "M2")
    assert [(stored.control_id, stored.ack_code) for stored in kept()] == [("M1", code), ("M2", "AA")]


@pytest.mark.parametrize(("accept", "code"), [("AL", "CR"), ("ER", "CR"), ("SU", None), ("NE", None)])
def test_enhanced_mode_is_refused_as_the_sender_asked(accept: str, code: str | None, peer: RawPeer, kept: Kept) -> None:
    peer.write(framed(message("ADT^A99", accept=accept)))
    if code is not None:
        answer = peer.answer()
        assert (*codes(answer), answer["ERR"][3].split("^")[0]) == (code, "M1", "201")
    assert codes(peer.ask(message(control_id="M2"))) == ("AA", "M2")
    assert [stored.state for stored in kept()] == ["refused", "stored"]


def test_an_acknowledgement_is_never_answered(peer: RawPeer) -> None:
    peer.write(framed(b"MSH|^~\\&|KIS|KH|EPI|STR|20260312||ACK^A03|A1|P|2.5\rMSA|AA|X1\r"))
    assert peer.is_silent()
    assert codes(peer.ask(message())) == ("AA", "M1")


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (message(control_id=""), ("AE", "101", "MSH^1^10")),
        (message("QRY^A19"), ("AR", "200", "MSH^1^9")),
        (message("ADT^A99"), ("AR", "201", "MSH^1^9")),
        (message(""), ("AE", "101", "MSH^1^9")),
        (message(processing="X"), ("AR", "202", "MSH^1^11")),
        (message(version="3.0"), ("AR", "203", "MSH^1^12")),
        (message().replace(b"P1^^^KIS^MR", b""), ("AE", "101", "PID^1^3")),
        (message().replace(b"\rPV1|", b"\rZV1|"), ("AE", "100", "PV1^1")),
        (b"PID|1||P1\rPV1|1|I\r", ("AR", "100", "MSH^1")),
        (b"\x00\xff\xfe garbage \x80", ("AR", "100", "MSH^1")),
        (b"", ("AR", "100", "MSH^1")),
    ],
)
def test_a_message_that_cannot_be_taken_is_refused_with_its_place_and_kept_for_people(
    body: bytes, refusal: tuple[str, str, str], peer: RawPeer, connect: Connect, kept: Kept
) -> None:
    answer = peer.ask(body)
    assert (answer["MSA"][1], answer["ERR"][3].split("^")[0], answer["ERR"][2]) == refusal
    assert answer["ERR"][8]
    assert codes(peer.ask(message(control_id="same"))) == ("AA", "same")
    assert codes(connect().ask(message(control_id="other"))) == ("AA", "other")
    refused, *good = kept()
    assert (refused.body, refused.state, refused.ack_code) == (body, "refused", refusal[0])
    assert [stored.state for stored in good] == ["stored", "stored"]


def test_an_old_version_gets_the_error_in_the_form_that_it_knows(peer: RawPeer) -> None:
    answer = peer.ask(message("ADT^A99", version="2.3"))
    assert answer["ERR"][1].startswith("MSH^1^9^201&")
    assert answer["MSA"][3]


def test_a_duplicate_is_answered_alike_and_kept_once(peer: RawPeer, connect: Connect, kept: Kept) -> None:
    answers = [peer.ask(message()), peer.ask(message()), connect().ask(message())]
    assert [codes(answer) for answer in answers] == [("AA", "M1")] * 3
    assert len(kept()) == 1


def test_a_control_id_used_again_for_other_content_is_another_message(peer: RawPeer, kept: Kept) -> None:
    peer.ask(message())
    assert codes(peer.ask(message(family="Muster"))) == ("AA", "M1")
    assert len(kept()) == 2


def test_several_messages_in_one_segment_are_answered_in_their_order(peer: RawPeer, kept: Kept) -> None:
    peer.write(b"".join(framed(message(control_id=str(number))) for number in range(20)))
    assert [codes(peer.answer()) for _ in range(20)] == [("AA", str(number)) for number in range(20)]
    assert [stored.control_id for stored in kept()] == [str(number) for number in range(20)]


def test_a_message_in_many_segments_is_one_message(peer: RawPeer, kept: Kept) -> None:
    for part in split(framed(message()), 7):
        peer.write(part)
    assert codes(peer.answer()) == ("AA", "M1")
    assert kept()[0].body == message()


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_feeds_end_segments_too_and_the_bytes_are_kept_as_sent(end: bytes, peer: RawPeer, kept: Kept) -> None:
    body = message().replace(b"\r", end)
    assert codes(peer.ask(body)) == ("AA", "M1")
    assert kept()[0].body == body


@pytest.mark.parametrize(
    ("encoding", "charset"), [("latin-1", "8859/1"), ("utf-8", "UNICODE UTF-8"), ("latin-1", ""), ("latin-1", "ASCII")]
)
def test_any_character_set_is_taken_and_its_bytes_are_kept(
    encoding: str, charset: str, peer: RawPeer, kept: Kept
) -> None:
    body = message(family="Müßig", encoding=encoding, charset=charset)
    assert codes(peer.ask(body)) == ("AA", "M1")
    assert kept()[0].body == body


def test_the_answer_repeats_a_control_id_in_the_senders_character_set(peer: RawPeer) -> None:
    peer.write(framed(message(control_id="Ä1", encoding="latin-1", charset="8859/1")))
    assert b"|\xc41\r" in peer.raw_answer()


def test_a_document_of_several_megabytes_is_taken(peer: RawPeer, kept: Kept) -> None:
    body = message("ORU^R01", segments=("OBX|1|ED|PDF||^^^Base64^" + "QUJD" * 1_500_000,))
    assert codes(peer.ask(body)) == ("AA", "M1")
    assert kept()[0].body == body
