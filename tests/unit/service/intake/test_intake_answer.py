"""Which acknowledgement a sender is owed (HL7 2.9 chapter 2.9)."""

import pytest
from hl7_messages import header, raw

from service.intake import answer, is_acknowledgment
from service.intake.answer import ERROR, POSITIVE, REJECTED, UNAVAILABLE


@pytest.mark.parametrize(("codes", "code"), [(POSITIVE, "AA"), (ERROR, "AE"), (REJECTED, "AR"), (UNAVAILABLE, "AR")])
def test_original_mode_always_answers(codes: tuple[str, str], code: str) -> None:
    ack = answer(raw(header()), codes)
    assert (ack.mode, ack.code) == ("original", code)


@pytest.mark.parametrize(
    ("accept", "application", "positive", "error", "away"),
    [
        ("AL", "", "CA", "CE", "CE"),
        ("AL", "AL", "CA", "CE", "CE"),
        ("ER", "", None, "CE", "CE"),
        ("SU", "", "CA", None, None),
        ("NE", "AL", None, None, None),
        ("", "NE", "CA", "CE", "CE"),
        ("??", "", "CA", "CE", "CE"),
    ],
)
def test_enhanced_mode_answers_as_msh_15_asks(
    accept: str, application: str, positive: str | None, error: str | None, away: str | None
) -> None:
    message = raw(header(accept=accept, application=application))
    given = [answer(message, codes) for codes in (POSITIVE, ERROR, UNAVAILABLE)]
    assert [ack.code for ack in given] == [positive, error, away]
    assert {ack.mode for ack in given} == {"enhanced"}


def test_an_explicit_delete_in_msh_15_is_no_value() -> None:
    assert answer(raw(header(accept='""')), POSITIVE).code == "AA"


@pytest.mark.parametrize("kind", ["ACK", "ACK^A03", "MCF"])
def test_an_acknowledgement_by_type_or_by_msa_is_owed_nothing(kind: str) -> None:
    assert answer(raw(header(kind)), ERROR).code is None
    assert is_acknowledgment(raw(header("ORU^R01"), "MSA|AA|1"))
