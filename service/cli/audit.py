"""``audit``: the tamper-evident trail of who did what to which case. No PHI: ids, actions, times."""

from typing import Annotated

import typer

from service.bootstrap import open_existing_store
from service.cli.output import print_json, print_rows, say
from service.config import load_settings

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Whether the trail is whole. Exit 1 if an entry was changed, removed or cut off."""
    _, store = open_existing_store(load_settings())
    with store.read() as tx:
        trail = tx.check_audit()
    if as_json:
        print_json({"intact": trail.intact, "entries": trail.entries, "broken_at": trail.broken_at})
    elif trail.intact:
        say(f"{trail.entries} entries, intact")
    else:
        say(f"{trail.entries} entries, broken at entry {trail.broken_at}: compare with the newest export")
    if not trail.intact:
        raise typer.Exit(1)


@app.command()
def export(as_json: AsJson = False) -> None:
    """Every entry in order. Keep the last digest elsewhere: it betrays a trail that was set back."""
    _, store = open_existing_store(load_settings())
    with store.read() as tx:
        rows = [
            {
                "seq": entry.seq,
                "at": entry.at.isoformat(timespec="microseconds"),
                "actor": entry.actor,
                "action": entry.action,
                "case": entry.case_id,
                "detail": entry.detail,
                "previous": entry.previous,
                "digest": entry.digest,
            }
            for entry in tx.audit_trail()
        ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("seq", "at", "actor", "action", "case", "detail", "digest"))
