"""Acknowledgements as built, checked by a parser that is not ours, and as read."""

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7.ack import build_ack, read_ack, refuse
from adapters.hl7.message import Segment, read_message
from adapters.hl7.text import escape
from service.errors import UnusableInput
from service.intake.answer import REJECTED, UNAVAILABLE
from service.model import Ack, AckError

ERROR = AckError(code="101", location="PID-3", text="Required field missing: patient identifier")
REFUSED = Ack(mode="original", code="AE", error=ERROR)
ACCEPTED = Ack(mode="original", code="AA")


def a_header(*, version: str = "2.5", control_id: str = "M1", charset: str = "", encoding: str = "utf-8") -> Segment:
    text = f"MSH|^~\\&|KIS^1.2^ISO|KH|EPI|STR|20260312||ADT^A03|{control_id}|P|{version}||||||{charset}\r"
    return read_message(text.encode(encoding)).header


def segments(body: bytes) -> dict[str, list[str]]:
    return {line[:3]: line.split("|") for line in body.decode().rstrip("\r").split("\r")}


@pytest.mark.parametrize("ack", [ACCEPTED, REFUSED])
@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.2"])
def test_hl7apy_finds_an_answer_valid_in_the_version_of_the_question(version: str, ack: Ack) -> None:
    """From 2.3.1 on: before it MSH-9 names no structure, and without one hl7apy validates nothing."""
    body = build_ack(a_header(version=version), ack).decode()
    parsed = parse_message(body, validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate()
    assert (parsed.msa.msa_1.value, parsed.msa.msa_2.value) == (ack.code, "M1")


@pytest.mark.parametrize(("version", "kind"), [("2.1", "ACK"), ("2.2", "ACK^A03"), ("2.3", "ACK^A03")])
def test_before_2_3_1_the_type_names_no_structure_and_the_error_stands_in_err_1(version: str, kind: str) -> None:
    answer = segments(build_ack(a_header(version=version), REFUSED))
    assert answer["MSH"][8] == kind
    assert answer["ERR"] == ["ERR", "PID^1^3^101&Required field missing&HL70357"]


def test_sender_and_receiver_change_places() -> None:
    assert segments(build_ack(a_header(), ACCEPTED))["MSH"][2:6] == ["EPI", "STR", "KIS^1.2^ISO", "KH"]


def test_without_a_header_the_answer_still_says_who_we_are_and_what_is_wrong() -> None:
    answer = segments(build_ack(None, REFUSED))
    assert (answer["MSH"][2], answer["MSA"][1:3]) == ("EPIKRISE", ["AE", ""])
    assert answer["ERR"][2:4] == ["PID^1^3", "101^Required field missing^HL70357"]


@given(st.text(alphabet="Aä1|^~&\\ #", min_size=1, max_size=20).map(str.strip).filter(bool))
def test_msa_2_gives_the_control_id_back_whatever_is_in_it(control_id: str) -> None:
    built = build_ack(a_header(control_id=escape(control_id), charset="UNICODE UTF-8"), ACCEPTED)
    assert read_ack(built).control_id == control_id


def test_the_answer_is_in_the_character_set_of_the_question() -> None:
    header = a_header(control_id="Ä", charset="8859/1", encoding="latin-1")
    assert b"MSA|AA|\xc4\r" in build_ack(header, ACCEPTED)


def test_what_may_not_be_answered_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="must not be answered"):
        build_ack(a_header(), Ack(mode="original", code=None))


def test_a_refusal_of_anything_follows_the_senders_mode() -> None:
    enhanced = b"MSH|^~\\&|A|B|C|D|2026||ADT^A03|M1|P|2.5|||AL\r"
    silent = enhanced.replace(b"|||AL", b"|||NE")
    assert read_ack(refuse(b"junk", REJECTED, ERROR) or b"").code == "AR"
    assert read_ack(refuse(enhanced, UNAVAILABLE, ERROR) or b"").code == "CE"
    assert refuse(silent, REJECTED, ERROR) is None


@pytest.mark.parametrize("version", ["2.3", "2.5", "2.7"])
def test_error_and_text_are_read_from_any_version(version: str) -> None:
    ack = read_ack(build_ack(a_header(version=version), REFUSED))
    assert (ack.code, ack.control_id, ack.error_code, ack.is_positive) == ("AE", "M1", "101", False)
    assert "Required field missing" in ack.text


@pytest.mark.parametrize("body", [b"", b"HTTP/1.1 200 OK", b"MSH|^~\\&|A\r", b"MSH|^~\\&|A\rMSA||M1\r"])
def test_what_is_no_acknowledgement_is_refused(body: bytes) -> None:
    with pytest.raises(UnusableInput):
        read_ack(body)
