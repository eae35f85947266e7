"""``epikrise send`` and ``epikrise intake``: what an interface engineer gets on stdout, and the exit code."""

import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.hl7.ack import build_ack
from adapters.hl7.framing import Frame, FrameReader, frame
from adapters.hl7.message import read_message
from service.cli.main import run
from service.intake import understand


def message(kind: str = "ADT^A03", *, control_id: str = "M1", accept: str = "", processing: str = "P") -> bytes:
    pv1 = "PV1|1|I|||||||||||||||||F1^^^KIS^VN"
    header = f"MSH|^~\\&|KIS|KH|EPI|STR|20260312093000||{kind}|{control_id}|{processing}|2.5|||{accept}"
    return f"{header}\rPID|1||P1^^^KIS^MR||Beispiel^Berta||19610504\r{pv1}\r".encode()


ACKNOWLEDGEMENT = b"MSH|^~\\&|KIS|KH|EPI|STR|20260312||ACK^A03|A1|P|2.5\rMSA|AA|X1\r"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.hl7").write_bytes(message())
    (tmp_path / "two.hl7").write_bytes(message("ADT^A01", control_id="1") + message(control_id="2"))
    (tmp_path / "ack.hl7").write_bytes(ACKNOWLEDGEMENT)
    (tmp_path / "unknown.hl7").write_bytes(message("ADT^A99", control_id="U1"))
    (tmp_path / "text.txt").write_bytes(b"no message at all\n")
    return tmp_path


Ended = tuple[int, str, str]
Epikrise = Callable[..., Ended]
Intake = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def epikrise(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Epikrise:
    """The console script, in ``folder``: exit code, stdout, stderr. An error that nobody foresaw fails the test."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EPIKRISE_HOME", str(folder / "home"))

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["epikrise", *arguments])
        with pytest.raises(SystemExit) as ended:
            run()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def intake(epikrise: Epikrise) -> Intake:
    def call(*files: str) -> list[dict[str, Any]]:
        code, out, _ = epikrise("intake", *files, "--dry-run", "--json")
        assert code == 0
        rows = json.loads(out)
        assert isinstance(rows, list)
        return rows

    return call


@contextmanager
def a_listener(*, answers: int = 99, resets: bool = False) -> Iterator[str]:
    """Answers so many messages as our own listener would, storing nothing, and then closes; yields HOST:PORT.

    ``resets``: it waits for one message more, and closes with a TCP reset.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            reader, left = FrameReader(max_message_bytes=2**20), answers
            with connection:
                while left and (data := connection.recv(65536)):
                    for part in reader.feed(data):
                        assert isinstance(part, Frame)
                        asked = read_message(part.body)
                        ack = understand(asked).ack
                        if ack.code is not None:
                            connection.sendall(frame(build_ack(asked.header, ack)))
                        left -= 1
                if resets:
                    connection.recv(65536)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


# ---------------------------------------------------------------- intake


def test_intake_tells_what_a_message_means_and_how_it_would_be_answered(intake: Intake) -> None:
    assert intake("good.hl7") == [
        {
            "control_id": "M1",
            "type": "ADT^A03",
            "event": "discharge",
            "case": "KIS|F1",
            "ack": {"mode": "original", "code": "AA", "error": None},
            "warnings": [],
            "fields": {
                "patient_id": "P1",
                "visit": "F1",
                "event_time": "2026-03-12T08:30:00+00:00",
                "family": "Beispiel",
                "given": "Berta",
                "birth_date": "1961-05-04",
            },
            "starts_letter": True,
            "rule": {
                "name": "default",
                "trigger": "discharge",
                "letter": "discharge",
                "reason": "rule 'default': discharge",
            },
        }
    ]


def test_several_files_and_messages_are_one_array_in_their_order(intake: Intake) -> None:
    rows = intake("two.hl7", "ack.hl7", "unknown.hl7")
    assert [(row["control_id"], row["event"], row["ack"]["code"]) for row in rows] == [
        ("1", "admit", "AA"),
        ("2", "discharge", "AA"),
        ("A1", "ignored", None),
        ("U1", "ignored", "AR"),
    ]
    error = rows[3]["ack"]["error"]
    assert (error["code"], error["location"], sorted(error)) == ("201", "MSH-9", ["code", "location", "text"])


def test_intake_gives_the_case_the_name_of_the_configured_mapping(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = '{"HIS" = "https://kis.example/fall", "KIS" = "https://kis.example/fall"}'
    monkeypatch.setenv("EPIKRISE_EHR__VISIT_SYSTEMS", mapping)
    assert intake("good.hl7")[0]["case"] == "HIS|F1"


def test_intake_stores_nothing(intake: Intake, folder: Path) -> None:
    intake("good.hl7")
    assert not (folder / "home").exists()


def test_intake_for_people_is_a_table(epikrise: Epikrise) -> None:
    code, out, err = epikrise("intake", "two.hl7", "unknown.hl7", "--dry-run")
    assert code == 0
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["1", "ADT^A01", "admit", "AA", "False", "KIS|F1"],
        ["2", "ADT^A03", "discharge", "AA", "True", "KIS|F1"],
        ["U1", "ADT^A99", "ignored", "AR", "False"],
    ]
    assert err.startswith("U1: Unsupported event code")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("text.txt", "--dry-run", "--json"), "text.txt: no MSH segment"),
        (("good.hl7", "text.txt", "--dry-run", "--json"), "text.txt"),
        (("absent.hl7", "--dry-run", "--json"), "absent.hl7"),
        (("good.hl7",), "epikrise: intake only says what messages mean: add --dry-run"),
        ((), "files"),
    ],
)
def test_intake_refuses_what_it_cannot_use_with_code_2_and_no_data(
    arguments: tuple[str, ...], told: str, epikrise: Epikrise
) -> None:
    code, out, err = epikrise("intake", *arguments)
    assert (code, out) == (2, "")
    assert told in err


# ---------------------------------------------------------------- send


def test_send_prints_each_acknowledgement_as_a_row(epikrise: Epikrise) -> None:
    with a_listener() as address:
        code, out, _ = epikrise("send", "two.hl7", "--to", address, "--json")
    assert code == 0
    assert json.loads(out) == [
        {"control_id": "1", "code": "AA", "application": None, "error": None, "text": ""},
        {"control_id": "2", "code": "AA", "application": None, "error": None, "text": ""},
    ]


def test_send_ends_with_1_where_a_message_was_refused(epikrise: Epikrise) -> None:
    with a_listener() as address:
        code, out, _ = epikrise("send", "unknown.hl7", "good.hl7", "--to", address, "--json")
    refused, taken = json.loads(out)
    assert code == 1
    assert (refused["control_id"], refused["code"], refused["error"]) == ("U1", "AR", "201")
    assert "A01-A18" in refused["text"]
    assert taken["code"] == "AA"


def test_send_for_people_is_a_line_a_message(epikrise: Epikrise) -> None:
    with a_listener() as address:
        code, out, _ = epikrise("send", "two.hl7", "--to", address)
    assert (code, out.splitlines()) == (0, ["1  AA", "2  AA"])


def test_a_message_that_forbids_an_answer_is_sent_and_no_failure(epikrise: Epikrise, folder: Path) -> None:
    (folder / "silent.hl7").write_bytes(message(accept="NE"))
    with a_listener() as address:
        code, out, _ = epikrise("send", "silent.hl7", "--to", address, "--json")
    assert code == 0
    assert [(row["control_id"], row["code"]) for row in json.loads(out)] == [("M1", None)]


@pytest.mark.parametrize("resets", [False, True])
def test_send_tells_what_was_acknowledged_before_the_listener_went_away(epikrise: Epikrise, *, resets: bool) -> None:
    with a_listener(answers=1, resets=resets) as address:
        code, out, err = epikrise("send", "two.hl7", "--to", address, "--json")
    assert code == 3
    assert [row["control_id"] for row in json.loads(out)] == ["1"]
    assert "Send again" in err


def test_send_to_a_port_where_nobody_listens_ends_with_3(epikrise: Epikrise) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    code, out, err = epikrise("send", "good.hl7", "--to", f"127.0.0.1:{port}", "--json")
    assert (code, json.loads(out)) == (3, [])
    assert f"127.0.0.1:{port}" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("good.hl7", "--to", "nowhere"), "HOST:PORT"),
        (("good.hl7", "--to", "127.0.0.1:0"), "HOST:PORT"),
        (("good.hl7", "--to", "127.0.0.1:99999"), "HOST:PORT"),
        (("good.hl7",), "--to"),
        (("text.txt", "--to", "127.0.0.1:1"), "text.txt"),
        (("absent.hl7", "--to", "127.0.0.1:1"), "absent.hl7"),
        (("good.hl7", "--to", "127.0.0.1:1", "--ca", "absent.pem"), "PEM"),
    ],
)
def test_send_refuses_what_it_cannot_use_with_code_2(arguments: tuple[str, ...], told: str, epikrise: Epikrise) -> None:
    code, _, err = epikrise("send", *arguments)
    assert code == 2
    assert told in err


# ---------------------------------------------------------------- chart


def test_a_bundle_nested_beyond_reason_is_unusable_and_not_a_traceback(epikrise: Epikrise, folder: Path) -> None:
    deep = b'{"resourceType": "Bundle", "a":' + b'{"a":' * 500 + b"1" + b"}" * 501
    (folder / "deep.json").write_bytes(deep)
    code, _, err = epikrise("chart", "deep.json", "--json")
    assert code == 2
    assert "deep.json" in err


def test_a_chart_of_nothing_usable_says_so(epikrise: Epikrise, folder: Path) -> None:
    (folder / "empty.json").write_bytes(b'{"resourceType": "Bundle", "type": "collection"}')
    code, _, err = epikrise("chart", "empty.json")
    assert code == 0
    assert "no facts" in err


def test_times_without_an_offset_are_in_the_configured_zone(
    epikrise: Epikrise, intake: Intake, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    booked = message("SIU^S12") + b"SCH|P1\rAIS|1||N^Follow-up|20260420103000+0000\r"
    (folder / "booked.hl7").write_bytes(booked)
    monkeypatch.setenv("EPIKRISE_HL7__TIME_ZONE", "America/New_York")

    assert intake("good.hl7")[0]["fields"]["event_time"] == "2026-03-12T13:30:00+00:00"
    facts = {fact["handle"]: fact for fact in json.loads(epikrise("chart", "booked.hl7", "--json")[1])["facts"]}
    assert facts["appointment.1.time"]["value"] == "06:30"


def test_a_time_zone_that_there_is_not_is_told_by_its_setting(
    epikrise: Epikrise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPIKRISE_HL7__TIME_ZONE", "Mars/Olympus")
    code, out, err = epikrise("intake", "good.hl7", "--dry-run")
    assert (code, out) == (2, "")
    assert "hl7.time_zone" in err
    assert "Europe/Berlin" in err
