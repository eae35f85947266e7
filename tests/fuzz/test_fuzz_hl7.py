"""The HL7 fuzzer: a taste of it here, the million in ``make test-all``."""

import json
from pathlib import Path

import pytest
from hl7_fuzz import fuzz, fuzz_everywhere

from adapters.hl7.ack import read_ack

RESULT = Path(__file__).parents[2] / "docs" / "results" / "fuzz-hl7.json"


def test_twenty_thousand_spoilt_messages_break_nothing() -> None:
    report = fuzz(0, 20_000)
    assert report.inputs == 20_000
    assert report.messages > 15_000  # most keep a header, so that what lies behind it is reached
    assert report.slowest < 5


def test_an_input_that_breaks_something_is_named_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(answer: bytes) -> object:
        if b"|AR|" in answer:
            raise KeyError("AR")
        return read_ack(answer)

    monkeypatch.setattr("hl7_fuzz.read_ack", careless)
    with pytest.raises(AssertionError, match=r"input \d+ of seed") as first:
        fuzz(0, 2_000)
    number = int(str(first.value).split()[1])
    with pytest.raises(AssertionError, match=f"input {number} of seed"):
        fuzz(number, 1)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_million_inputs_break_nothing() -> None:
    report = fuzz_everywhere(1_000_000, processes=2)
    RESULT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    assert report["inputs"] == 1_000_000
