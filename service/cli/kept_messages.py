"""``message``: what came in, what it was told, what it meant. No PHI, but where ``--actor`` says who looks."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from adapters.hl7.message import read_message
from adapters.store import SqlStore
from service.bootstrap import open_existing_store
from service.browsing import MessagePage, look_at, message_row, read_filter
from service.cli.output import print_json, print_rows, print_text, say
from service.config import load_settings
from service.disclosure import check_actor, open_message
from service.errors import EpikriseError, UnusableInput
from service.model import MessageFilter
from service.rereading import Judge, Replayed, replay_messages
from service.web.message_content import Content, read_content

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MessageId = Annotated[str, typer.Argument(help="Id of the message, as `epikrise message list` prints it")]
Actor = Annotated[str, typer.Option(help="Who you are: it stands in the audit trail.")]
ControlId = Annotated[str, typer.Option(help="MSH-10; with * at its end, what begins so.")]
State = Annotated[str, typer.Option(help="stored, understood, refused, or dead: its reading ended.")]
Since = Annotated[str, typer.Option(help="Received from this time on (ISO 8601, UTC).")]
Until = Annotated[str, typer.Option(help="Received before this time.")]

_MOST: Final = 1000
_AT_ONCE: Final = 200  # messages replayed in one transaction


@app.command("list")
def list_messages(
    *,
    control_id: ControlId = "",
    state: State = "",
    event: Annotated[str, typer.Option(help="What it meant: admit, discharge, result, …")] = "",
    channel: Annotated[str, typer.Option(help="mllp or fhir.")] = "",
    case: Annotated[str, typer.Option(help="Id of a case.")] = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="How many at most.")] = 50,
    before: Annotated[str, typer.Option(help="Id of a message: only older ones.")] = "",
    as_json: AsJson = False,
) -> None:
    """Messages, newest first, without their content."""
    wanted = read_filter(
        control_id=control_id, state=state, event=event, channel=channel, case_id=case, since=since, until=until
    )
    _, store = open_existing_store(load_settings())
    with store.read() as tx:
        rows = [message_row(each) for each in tx.list_messages(wanted, limit=limit, before=before or None)]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("id", "received", "control_id", "sender", "kind", "event", "state", "ack", "error"))


@app.command()
def show(
    message_id: MessageId,
    *,
    content: Annotated[bool, typer.Option("--content", help="What it says, too: patient data; needs --actor.")] = False,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """One message: received, answered, read, its case; with --content what it says, which is audited.

    Whoever may run this has the store's keys already; --actor is for the record, not a lock.
    """
    if content:
        check_actor(actor)
    store, by = _open()
    with store.read() as tx:
        seen = look_at(tx, message_id, by=by)
    said = read_content(open_message(store, message_id, actor=actor)) if content else None
    report = _report(seen, said)
    if as_json:
        print_json(report)
        return
    print_rows([{"what": key, "value": value} for key, value in message_row(seen.message).items()], ("what", "value"))
    print_rows(report["steps"], ("at", "step", "state", "attempts", "error", "text"))
    for warning in report["warnings"]:
        say(f"note: {warning}")
    if said is not None:
        _print_content(said)


@app.command()
def replay(
    message_ids: Annotated[list[str] | None, typer.Argument(help="Ids of messages", show_default=False)] = None,
    *,
    control_id: ControlId = "",
    state: Annotated[str, typer.Option(help="All that are refused, or dead: their reading ended.")] = "",
    since: Since = "",
    until: Until = "",
    actor: Annotated[str, typer.Option(help="Who you are, for the audit trail.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Read messages again; the sweeper of `epikrise serve` rings for them. Exit 1 if one cannot be.

    What is known is not filed twice, and no second letter starts.
    """
    who = check_actor(actor)
    if state not in ("", "refused", "dead"):
        raise UnusableInput("--state", remedy="Give refused or dead.")
    wanted = read_filter(control_id=control_id, state=state, since=since, until=until)
    # by what the filter came to: a blank or a lone * in --control-id leaves it open, and everything would be read
    by_filter = bool(wanted.control_id or wanted.control_id_start or state)
    if bool(message_ids) == by_filter or (message_ids and (since or until)):
        raise UnusableInput("which messages", remedy="Give ids, or --control-id or --state.")
    store, by = _open()
    outcomes: list[Replayed] = []
    for ids in [message_ids] if message_ids else _pages(store, wanted):
        with store.begin() as tx:
            outcomes += replay_messages(tx, ids, by=by, actor=who)
    failed = [each for each in outcomes if each.step is None]
    if as_json:
        print_json([{"id": each.message_id, "step": each.step, "reason": each.reason} for each in outcomes])
    else:
        for each in failed:
            say(each.reason)
        say(f"{len(outcomes) - len(failed)} message(s) are read again, {len(failed)} cannot be")
    if failed:
        raise typer.Exit(1)


@app.command()
def export(
    message_id: MessageId,
    *,
    to: Annotated[Path, typer.Option(help="A file that is not there yet; only you may read it (0600).")],
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Write a message's bytes as they came to a file: patient data; audited."""
    who = check_actor(actor)
    _, store = open_existing_store(load_settings())
    with store.read() as tx:
        tx.listed_message(message_id)
    try:
        descriptor = os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise UnusableInput(f"{to} is there already", remedy="Name a new file.") from None
    with os.fdopen(descriptor, "wb") as stream:
        try:
            size = stream.write(open_message(store, message_id, actor=who, action="message_exported").body)
        except EpikriseError:
            to.unlink(missing_ok=True)  # empty, and in the way of the next try
            raise
    if as_json:
        print_json({"id": message_id, "file": str(to), "bytes": size})
    else:
        say(f"{size} bytes in {to}")


def _open() -> tuple[SqlStore, Judge]:
    settings = load_settings()
    _, store = open_existing_store(settings)
    return store, Judge(reader=read_message, authorities=settings.ehr.authorities, local=settings.hl7.zone)


def _pages(store: SqlStore, wanted: MessageFilter) -> Iterator[list[str]]:
    before: str | None = None
    while True:
        with store.read() as tx:
            ids = [each.id for each in tx.list_messages(wanted, limit=_AT_ONCE, before=before)]
        if not ids:
            return
        yield ids
        before = ids[-1]


def _report(seen: MessagePage, said: Content | None) -> dict[str, Any]:
    report: dict[str, Any] = {
        **message_row(seen.message),
        "steps": [
            {
                "id": step.id,
                "at": (step.finished_at or step.started_at or step.created_at).isoformat(timespec="seconds"),
                "step": step.name,
                "state": step.state.value,
                "attempts": step.attempts,
                "error": step.error_code,
                "text": step.error_text,
            }
            for step in seen.steps
        ],
        "warnings": list(seen.today.warnings) if seen.today else [],
        "today": asdict(seen.today.ack) if seen.today and seen.today.ack else None,
        "alike": [each.id for each in seen.alike],
    }
    return report if said is None else {**report, "content": asdict(said)}


def _print_content(said: Content) -> None:
    say(f"{said.size} bytes, read as {said.charset}")
    for segment in said.segments:
        for field in segment.fields:
            print_text("\t".join((field.place, field.name, field.value)))
            if field.left_out:
                say(f"{field.place}: {field.left_out} more characters; `epikrise message export` has all of it")
    if said.text:
        print_text(said.text)
    if said.left_out:
        what = "segments" if said.segments else "characters"
        say(f"{said.left_out} more {what} left out; `epikrise message export` has all of it")
