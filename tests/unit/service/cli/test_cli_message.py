"""``message``: what came in, read again, exported; without content unless somebody says who looks."""

import sqlite3
import stat
from pathlib import Path

import pytest
from operator_desk import Operator, epikrise, home, store

from adapters.store import SqlStore
from service.config import load_settings
from service.model import AuditEntry, StepState

__all__ = ["epikrise", "home", "store"]

PRIVATE = ("Beispielmann", "Bertaline", "19610504", "P-778899", "F-445566")


def adt(trigger: str, control_id: str) -> bytes:
    segments = [
        f"MSH|^~\\&|KIS|ONK|EPIKRISE|RT|20260301080000||ADT^{trigger}|{control_id}|P|2.5.1|||||DEU|UNICODE UTF-8",
        f"EVN|{trigger}|20260301080000",
        "PID|1||P-778899^^^KIS^MR||Beispielmann^Bertaline||19610504|F",
        "|".join(["PV1", "1", "I", "ST1", *[""] * 15, "F-445566^^^KIS^VN"]),
    ]
    return "\r".join(segments).encode() + b"\r"


def keep(store: SqlStore, control_id: str, *, trigger: str = "A01", error_code: str | None = None) -> str:
    with store.begin() as tx:
        message_id, _ = tx.add_message(
            channel="mllp",
            sender="KIS|ONK",
            control_id=control_id,
            body=adt(trigger, control_id),
            ack_code="AE" if error_code else "AA",
            state="refused" if error_code else "stored",
            error_code=error_code,
        )
    return message_id


def trail(store: SqlStore) -> list[AuditEntry]:
    with store.read() as tx:
        return list(tx.audit_trail())


def test_messages_are_listed_newest_first_without_content(epikrise: Operator, store: SqlStore) -> None:
    first, second = keep(store, "M1"), keep(store, "M2", error_code="201")

    answer = epikrise("message", "list", "--json")

    assert answer.code == 0
    assert [(row["id"], row["control_id"], row["state"], row["ack"], row["error"]) for row in answer.data] == [
        (second, "M2", "refused", "AE", "201"),
        (first, "M1", "stored", "AA", None),
    ]
    for shown in (answer, epikrise("message", "list"), epikrise("message", "show", first)):
        assert [each for each in PRIVATE if each in shown.out + shown.err] == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--control-id", "M1"], ["M1"]),
        (["--control-id", "M*"], ["M2", "M1"]),
        (["--state", "refused"], ["M2"]),
        (["--limit", "1"], ["X3"]),
        (["--since", "2020-01-01"], ["X3", "M2", "M1"]),
        (["--until", "2020-01-01"], []),
        (["--event", "discharge"], []),
    ],
)
def test_a_filter_narrows_the_list(epikrise: Operator, store: SqlStore, options: list[str], found: list[str]) -> None:
    keep(store, "M1")
    keep(store, "M2", error_code="201")
    keep(store, "X3")

    assert [row["control_id"] for row in epikrise("message", "list", *options, "--json").data] == found


@pytest.mark.parametrize("options", [["--state", "lost"], ["--event", "a03"], ["--since", "soon"], ["--channel", "x"]])
def test_a_filter_that_means_nothing_is_usage(epikrise: Operator, store: SqlStore, options: list[str]) -> None:
    answer = epikrise("message", "list", *options)

    assert (answer.code, answer.out) == (2, "")
    assert options[0].removeprefix("--") in answer.err


def test_one_message_tells_its_answer_and_what_it_would_be_told_today(epikrise: Operator, store: SqlStore) -> None:
    message_id = keep(store, "M1", trigger="Q99", error_code="201")

    report = epikrise("message", "show", message_id, "--json").data

    assert (report["ack"], report["error"], report["steps"], report["alike"]) == ("AE", "201", [], [])
    assert report["today"]["error"]["location"] == "MSH-9"
    assert "content" not in report
    assert trail(store) == []


def test_what_a_terminal_leaves_out_of_a_text_is_told(epikrise: Operator, store: SqlStore) -> None:
    with store.begin() as tx:
        message_id, _ = tx.add_message(
            channel="mllp",
            sender="",
            control_id="",
            body=b"x" * 400_007,
            ack_code="AR",
            state="refused",
            error_code="no_msh",
        )

    shown = epikrise("message", "show", message_id, "--content", "--actor", "Ina Technik")

    assert "7 more characters left out; `epikrise message export` has all of it" in shown.err


def test_content_needs_a_name_and_leaves_an_entry(epikrise: Operator, store: SqlStore) -> None:
    message_id = keep(store, "M1")

    refused = epikrise("message", "show", message_id, "--content")
    assert (refused.code, refused.out) == (2, "")
    assert "name" in refused.err
    assert trail(store) == []

    shown = epikrise("message", "show", message_id, "--content", "--actor", "Ina Technik")
    assert "PID-5\tPatient name\tBeispielmann^Bertaline" in shown.out
    report = epikrise("message", "show", message_id, "--content", "--actor", "Ina Technik", "--json").data
    pid = next(segment for segment in report["content"]["segments"] if segment["label"] == "PID")
    assert "19610504" in [field["value"] for field in pid["fields"]]
    assert [(each.actor, each.action, each.detail) for each in trail(store)] == [
        ("Ina Technik", "message_opened", message_id)
    ] * 2


def test_an_export_is_the_bytes_as_they_came_in_a_file_for_nobody_else(
    epikrise: Operator, store: SqlStore, tmp_path: Path
) -> None:
    message_id = keep(store, "M1")
    file = tmp_path / "message.hl7"

    answer = epikrise("message", "export", message_id, "--to", str(file), "--actor", "Ina Technik", "--json")

    assert answer.data == {"id": message_id, "file": str(file), "bytes": len(adt("A01", "M1"))}
    assert file.read_bytes() == adt("A01", "M1")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [(each.actor, each.action) for each in trail(store)] == [("Ina Technik", "message_exported")]


def test_an_export_overwrites_nothing(epikrise: Operator, store: SqlStore, tmp_path: Path) -> None:
    file = tmp_path / "message.hl7"
    file.write_text("mine", encoding="utf-8")

    answer = epikrise("message", "export", keep(store, "M1"), "--to", str(file), "--actor", "Ina Technik")

    assert answer.code == 2
    assert file.read_text(encoding="utf-8") == "mine"
    assert trail(store) == []


def test_an_export_that_fails_leaves_no_file_in_the_way(epikrise: Operator, store: SqlStore, tmp_path: Path) -> None:
    message_id, file = keep(store, "M1"), tmp_path / "message.hl7"
    with sqlite3.connect(load_settings().home / "epikrise.db") as database:
        database.execute("UPDATE messages SET body = X'00'")  # not what our key sealed

    answer = epikrise("message", "export", message_id, "--to", str(file), "--actor", "Ina Technik")

    assert answer.code != 0
    assert "is there already" not in answer.err
    assert not file.exists()


def test_refused_messages_are_read_again_and_hopeless_ones_are_told(epikrise: Operator, store: SqlStore) -> None:
    mended, hopeless = keep(store, "M1", error_code="201"), keep(store, "M2", trigger="Q99", error_code="201")

    answer = epikrise("message", "replay", "--state", "refused", "--actor", "Ina Technik", "--json")

    assert answer.code == 1
    by_id = {row["id"]: row for row in answer.data}
    assert by_id[mended]["step"]
    assert "201 at MSH-9" in by_id[hopeless]["reason"]
    with store.read() as tx:
        assert [step.state for step in tx.steps_about(mended)] == [StepState.WAITING]
        assert not tx.steps_about(hopeless)
    assert [(each.actor, each.action, each.detail) for each in trail(store)] == [
        ("Ina Technik", "message_replayed", mended)
    ]


def test_messages_are_read_again_by_id_and_by_control_id(epikrise: Operator, store: SqlStore) -> None:
    first, second = keep(store, "M1", error_code="207"), keep(store, "M2", error_code="207")

    assert epikrise("message", "replay", first).code == 0
    assert epikrise("message", "replay", "--control-id", "M2").code == 0

    with store.read() as tx:
        assert [len(tx.steps_about(each)) for each in (first, second)] == [1, 1]


def test_every_message_of_a_long_list_is_read_again_once(
    epikrise: Operator, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cli.kept_messages._AT_ONCE", 3)
    ids = [keep(store, f"M{number}", error_code="207") for number in range(8)]

    rows = epikrise("message", "replay", "--state", "refused", "--json").data

    assert sorted(row["id"] for row in rows) == sorted(ids)
    with store.read() as tx:
        assert [len(tx.steps_about(each)) for each in ids] == [1] * 8


@pytest.mark.parametrize(
    "arguments", [[], ["--state", "understood"], ["0" * 32, "--state", "refused"], ["--since", "2026-01-01"]]
)
def test_a_replay_of_nothing_or_of_everything_is_usage(
    epikrise: Operator, store: SqlStore, arguments: list[str]
) -> None:
    assert epikrise("message", "replay", *arguments).code == 2


@pytest.mark.parametrize("control_id", ["*", " ", " * ", "\t*", "**"])
def test_a_control_id_that_names_none_does_not_read_all_again(
    epikrise: Operator, store: SqlStore, control_id: str
) -> None:
    message_id = keep(store, "M1", error_code="207")

    answer = epikrise("message", "replay", "--control-id", control_id)

    assert (answer.code, answer.out) == (2, "")
    with store.read() as tx:
        assert not tx.steps_about(message_id)


@pytest.mark.parametrize("command", ["show", "export"])
def test_an_unknown_message_is_not_found_and_makes_no_file(
    epikrise: Operator, store: SqlStore, tmp_path: Path, command: str
) -> None:
    more = ["--to", str(tmp_path / "x"), "--actor", "Ina Technik"] if command == "export" else []

    answer = epikrise("message", command, "0" * 32, *more)

    assert answer.code == 2
    assert not (tmp_path / "x").exists()
