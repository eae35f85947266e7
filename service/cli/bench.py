"""``bench``: what this machine does, beside what it could do and what others do on it."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.output import print_json, print_rows

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Peers = Annotated[bool, typer.Option("--peers", help="Beside other listeners, where they are installed.")]
Seconds = Annotated[float, typer.Option(help="Seconds for each engine at each load.", min=0.5)]
Rounds = Annotated[int, typer.Option(help="Rounds; the median counts.", min=1)]
Memory = Annotated[bool, typer.Option(help="Memory over 100,000 messages, too.")]


@app.callback()
def bench() -> None:
    """Figures with machine facts. Everything is written to a temporary folder and removed."""


@app.command()
def ingest(
    as_json: AsJson = False, peers: Peers = False, seconds: Seconds = 3.0, rounds: Rounds = 1, memory: Memory = True
) -> None:
    """Messages durably kept and acknowledged a second, beside the bound of group commit."""
    report = ingest_report(peers=peers, seconds=seconds, rounds=rounds, memory=memory)
    if as_json:
        print_json(report)
    else:
        print_rows(report["rows"], ("load", "engine", "metric", "value", "unit"))


def ingest_report(*, peers: bool, seconds: float = 3.0, rounds: int = 1, memory: bool = True) -> dict[str, Any]:
    """``{"work", "command", "machine", "probe", "rows"}``. Raises UnusableInput where a peer is not installed."""
    from service.cli.benches import ingest as work
    from service.cli.benches.machine import fsyncs_per_second, machine_facts

    machine = machine_facts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        probe = {"fsync_per_second": fsyncs_per_second(folder)}
        rows = work.measure(folder, peers=peers, seconds=seconds, rounds=rounds, memory=memory)
    command = f"epikrise bench ingest --json --seconds {seconds:g} --rounds {rounds}{' --peers' if peers else ''}"
    return {"work": "ingest", "command": command, "machine": machine, "probe": probe, "rows": rows}
