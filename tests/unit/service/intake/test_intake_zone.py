"""Times without an offset: MSH-7's offset is theirs (HL7 2.9 chapter 2.14.9.7), else the configured zone's."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hl7_messages import raw
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7.message import Message
from service.intake import understand
from service.intake.recorded import recorded_at


def told(at: str, recorded: str = "20240301115900", *, admitted: str = "", trigger: str = "A08") -> Message:
    visit = f"PV1|1|I|{'|' * 41}{admitted}" if admitted else f"PV1|1|I|{'|' * 16}F1"
    return raw(
        f"MSH|^~\\&|KIS|KH|EPI|STR|{at}||ADT^{trigger}|M1|P|2.5",
        f"EVN|{trigger}|{recorded}",
        "PID|1||P1^^^KIS^MR",
        visit,
    )


@pytest.mark.parametrize(
    ("at", "recorded", "time"),
    [
        ("20240301120000-0500", "20240301115900", "2024-03-01T16:59:00+00:00"),
        ("20240301120000.123-0500", "20240301115900", "2024-03-01T16:59:00+00:00"),
        ("20240301120000+0000", "20240301115900", "2024-03-01T11:59:00+00:00"),
        ("20240301120000-0500", "20240301115900+0100", "2024-03-01T10:59:00+00:00"),
        ("20240301120000", "20240301115900", "2024-03-01T10:59:00+00:00"),
        ("20240301120000-9900", "20240301115900", "2024-03-01T10:59:00+00:00"),
    ],
)
def test_an_offset_of_msh_7_is_that_of_every_time_without_one(at: str, recorded: str, time: str) -> None:
    message = told(at, recorded)
    assert (understand(message).event_time, recorded_at(message)) == (time, time)


def test_msh_7_stands_before_the_configured_zone() -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    assert understand(told("20240301120000-0500"), local=tokyo).event_time == "2024-03-01T16:59:00+00:00"
    assert understand(told("20240301120000"), local=tokyo).event_time == "2024-03-01T02:59:00+00:00"


def test_a_visit_without_a_number_is_one_case_in_winter_and_in_summer() -> None:
    """Its key is the admission time, which the sender writes alike beside either offset of its zone."""
    winter = told("20240301120000+0100", admitted="20240301080000", trigger="A01")
    summer = told("20240410120000+0200", "20240410115900", admitted="20240301080000", trigger="A03")
    assert understand(winter).case_key == understand(summer).case_key == "KIS|P1|2024-03-01T07:00:00+00:00"
    abroad = told("20240301120000-0500", admitted="20240301080000", trigger="A01")
    assert understand(abroad).case_key == "KIS|P1|2024-03-01T13:00:00+00:00"


@given(st.text("0123456789+-.", max_size=24))
def test_whatever_stands_in_msh_7_the_message_is_understood(at: str) -> None:
    message = told(at)
    offset = message.segments("EVN")[0].offset(2)
    assert offset == "" or timedelta(hours=int(offset[1:3]), minutes=int(offset[3:])) < timedelta(hours=15)
    assert understand(message).event_time
