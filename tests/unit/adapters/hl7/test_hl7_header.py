"""The quick answer is the rules' answer, or none."""

import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7.ack import build_ack
from adapters.hl7.header import Headers
from adapters.hl7.message import read_message
from adapters.hl7.mllp_limits import Peer
from adapters.hl7.receiver import MessageReceiver
from service.errors import UnusableInput
from service.intake import acknowledge
from service.intake.application import answer_application
from service.model import NewMessage

KINDS = st.sampled_from(
    [
        "ADT^A03",
        "ADT^A03^ADT_A03",
        "ADT^A08",
        "ADT^A20",
        "ADT^A40",
        "ORU^R01",
        "ACK^A03",
        "adt^A03",
        "ADT",
        "ADT^Z1",
        "",
    ]
)
ANSWERS = st.sampled_from(["", "AL", "NE", "ER", "SU", "al", '""'])
FIELDS = st.sampled_from(["", "P1^^^KIS^MR", '""', " ", "^^^KIS", "~P2", "Ä1", "\\F\\", "&P1", "a", "ポポ"])
HEADER = st.tuples(
    st.sampled_from(["MSH|^~\\&|", "MSH|^~\\&#|", "MSH|^~\\|", "MSH|abcd|", "MSH#^~\\&#"]),
    st.sampled_from(["KIS", "", "K\\F\\S", "ÄÖ", "KIS&1.2&ISO"]),
    KINDS,
    st.sampled_from(["1", "M-7", "", '""', " 1", "Ä1", "a^b", "\\F\\", "1\\"]),
    st.sampled_from(["P", "T", "X", ""]),
    st.sampled_from(["2.5", "2.3", "2.8.2", "9", "", "2.5\nmore"]),
    ANSWERS,
    ANSWERS,
    st.sampled_from(["", "8859/1", "UNICODE UTF-8", "ISO IR14", "UNICODE UTF-16", "?"]),
)
PID = st.builds(lambda two, three, four: f"PID|1|{two}|{three}|{four}||x", FIELDS, FIELDS, FIELDS)
SEGMENTS = st.lists(
    st.one_of(
        PID,
        st.sampled_from(
            [
                "PID",
                "PID|1",
                "PIDX|1||P1",
                "PV1|1|I",
                "PV1",
                "MSA|AA|1",
                "MSAX|1",
                "EVN|A03|20260101",
                "raw line",
                "",
                " ",
            ]
        ),
    ),
    max_size=5,
)
END = st.sampled_from(["\r", "\r\n", "\n"])


def message(header: Sequence[str], segments: Sequence[str], end: str, codec: str) -> bytes:
    start, sender, kind, control_id, processing, version, accept, application, charset = header
    field = start[3]
    msh = field.join([sender, "KH", "EPI", "STR", "20260312", "", kind, control_id, processing, version])
    msh += field.join(["", "", "", accept, application, "", charset])
    return end.join([start + msh, *segments, ""]).encode(codec, "replace")


BODIES = st.builds(message, HEADER, SEGMENTS, END, st.sampled_from(["utf-8", "latin-1", "shift_jis"]))


def by_the_rules(body: bytes) -> tuple[str | None, list[bytes]] | None:
    """State and replies as the rules give them; None where there is no message."""
    try:
        read = read_message(body)
    except UnusableInput:
        return None
    ack = acknowledge(read)
    second = answer_application(read, ack)
    replies = [build_ack(read.header, each) for each in (ack, second) if each is not None and each.code is not None]
    return (None if ack.error is None else ack.error.code), [without_own(reply) for reply in replies]


def without_own(reply: bytes) -> bytes:
    """Time and our own MSH-10 differ each time."""
    return re.sub(rb"\|\d{14}\+0000\|([^\r]*?)\|[0-9a-f]{20}\|", rb"|TIME|\1|ID|", reply, count=1)


class Kept:
    """Takes every message and remembers it."""

    def __init__(self) -> None:
        self.messages: list[NewMessage] = []
        self.receiver = MessageReceiver(self._submit)

    def _submit(self, message: NewMessage, told: object) -> None:
        self.messages.append(message)
        assert callable(told)
        told(None)

    def answers(self, body: bytes) -> list[bytes]:
        got: list[Sequence[bytes] | Exception] = []
        self.receiver.receive(body, Peer("", 0), got.append)
        (answers,) = got
        assert not isinstance(answers, Exception)
        return [without_own(answer) for answer in answers]


@given(st.lists(BODIES, min_size=1, max_size=4))
def test_whatever_came_before_a_message_is_answered_and_kept_as_the_rules_say(bodies: list[bytes]) -> None:
    kept = Kept()
    for body in (*bodies, *bodies):  # the second time with every header known
        expected = by_the_rules(body)
        if expected is None:
            continue
        error_code, replies = expected
        assert kept.answers(body) == replies
        assert (kept.messages[-1].body, kept.messages[-1].error_code) == (body, error_code)


USUAL = "MSH|^~\\&|KIS|KH|EPI|STR|{time}||ADT^A03|{id}|P|2.5|{sequence}||{accept}\r{rest}"
PATIENT = "PID|1||P1^^^KIS^MR\rPV1|1|I\r"


def usual(*, time: str = "1", id_: str = "1", sequence: str = "", accept: str = "", rest: str = PATIENT) -> bytes:
    return USUAL.format(time=time, id=id_, sequence=sequence, accept=accept, rest=rest).encode()


def known(*bodies: bytes) -> Headers:
    headers = Headers()
    for body in bodies:
        headers.learn(body, sender="KIS|KH", kind="ADT^A03", ack_code="AA", replies=[])
    return headers


def test_a_header_that_differs_in_time_number_and_sequence_only_is_known() -> None:
    headers = known(usual())
    found = headers.look_up(usual(time="2", id_="Z99", sequence="7"))
    assert found is not None
    assert found[1] == b"Z99"
    assert headers.look_up(usual(accept="AL")) is None


def test_what_the_rules_must_see_is_left_to_them() -> None:
    headers = known(usual())
    for rest in (
        "PV1|1\r",
        "PID|1||\rPV1|1|I\r",
        "PID|1||P1\r",
        f"MSA|AA|1\r{PATIENT}",
        f" msa|AA|1\r{PATIENT}",
        f"raw\r{PATIENT}",
    ):
        assert headers.look_up(usual(rest=rest)) is None, rest


def test_kinds_of_header_beyond_the_capacity_cost_no_memory() -> None:
    headers = known(*(usual(accept=f"X{number}") for number in range(3000)))
    assert len(headers._known) <= 1024


def test_no_sender_fills_the_memory_with_long_headers() -> None:
    longest, longer = (usual(accept="A" * length) for length in (900, 1100))
    assert known(longest).look_up(longest) is not None
    assert known(longer).look_up(longer) is None
