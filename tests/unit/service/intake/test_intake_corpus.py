"""Invented messages of many vendors and countries against a table written by hand (tests/data/hl7)."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.hl7.ack import build_ack, read_ack
from adapters.hl7.message import read_message, split_messages
from service.cli.main import run
from service.intake import understand

CORPUS = Path(__file__).parents[3] / "data" / "hl7"
EXPECTED: dict[str, list[dict[str, Any]]] = yaml.safe_load((CORPUS / "expected.yaml").read_text(encoding="utf-8"))
FIELDS = ("patient_id", "visit", "event_time", "family", "given", "birth_date")
OPTIONAL = {"patient": "patient_key", "former_patient": "former_patient_key", "former_case": "former_case_key"}


def test_every_file_is_in_the_table() -> None:
    assert sorted(EXPECTED) == sorted(path.name for path in CORPUS.glob("*.hl7"))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_message_means_what_the_standard_says(name: str) -> None:
    readings = [understand(read_message(body)) for body in split_messages((CORPUS / name).read_bytes())]
    assert len(readings) == len(EXPECTED[name])
    for reading, expected in zip(readings, EXPECTED[name], strict=True):
        error = [reading.ack.error.code, reading.ack.error.location] if reading.ack.error else None
        fields = [getattr(reading.fields, field) for field in FIELDS]
        assert (reading.event.value, reading.ack.code, error) == (
            expected["event"],
            expected["ack"],
            expected.get("error"),
        )
        assert (reading.case_key, fields) == (expected["case"], expected["fields"])
        assert reading.starts_letter is expected.get("starts_letter", False)
        assert bool(reading.warnings) is expected.get("warned", False)
        for key, attribute in OPTIONAL.items():
            if key in expected or key != "patient":
                assert getattr(reading, attribute) == expected.get(key)
        if "type" in expected:
            assert reading.type == expected["type"]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_answer_says_what_was_read_and_names_the_message(name: str) -> None:
    for body in split_messages((CORPUS / name).read_bytes()):
        message = read_message(body)
        ack = understand(message).ack
        if ack.code is None:
            continue
        received = read_ack(build_ack(message.header, ack))
        assert (received.code, received.control_id) == (ack.code, message.control_id)
        assert received.error_code == (ack.error.code if ack.error else "")


def test_the_dry_run_tells_the_whole_corpus_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPIKRISE_HOME", str(tmp_path))
    monkeypatch.setattr(
        sys, "argv", ["epikrise", "intake", *(str(CORPUS / name) for name in sorted(EXPECTED)), "--dry-run", "--json"]
    )
    with pytest.raises(SystemExit) as ended:
        run()
    rows = json.loads(capsys.readouterr().out)
    told = [(row["event"], row["case"], row["ack"]["code"], list(row["fields"].values())) for row in rows]
    assert told == [
        (row["event"], row["case"], row["ack"], row["fields"]) for name in sorted(EXPECTED) for row in EXPECTED[name]
    ]
    assert not ended.value.code
