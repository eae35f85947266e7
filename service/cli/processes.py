"""``serve``, ``worker``, ``doctor``, ``config check``: the processes and their settings."""

from typing import Annotated

import typer

from service.cli.output import print_json, print_rows, say
from service.config import load_settings
from service.errors import UnusableInput
from service.pipeline import QUEUES

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
config_app = typer.Typer(no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.command()(serve)
    app.command()(worker)
    app.command()(doctor)


def serve() -> None:
    """The service: HL7 listener, web pages, FHIR intake, sweeper (and a Redis of its own if none is set)."""
    from service.cli.serving import serve_until_stopped

    serve_until_stopped(load_settings())


def worker(
    queue: Annotated[str, typer.Option(help="Queues, comma-separated.")] = ",".join(QUEUES),
    concurrency: Annotated[int, typer.Option(min=1, help="Steps at a time; the model takes one.")] = 1,
) -> None:
    """A worker: answers the bell for its queues. The write queue needs the model."""
    from workers.app import run_worker

    queues = [name.strip() for name in queue.split(",") if name.strip()]
    for name in queues:
        if name not in QUEUES:
            raise UnusableInput(f"--queue {name}", remedy=f"Name some of {','.join(QUEUES)}.")
    raise typer.Exit(run_worker(load_settings(), queues, concurrency=concurrency))


def doctor(as_json: AsJson = False) -> None:
    """Every dependency, each failure with its mend. Exit 1 if one fails."""
    from service.cli.checkup import examine

    rows = examine(load_settings())
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("check", "state", "detail", "remedy"))
    if any(row["state"] == "failed" for row in rows):
        raise typer.Exit(1)


@config_app.command()
def check(as_json: AsJson = False) -> None:
    """The settings in force; secrets redacted."""
    settings = load_settings()
    values = settings.model_dump(mode="json")  # pydantic redacts SecretStr
    if as_json:
        print_json(values)
        return
    rows = [
        {"setting": f"{section}.{key}" if isinstance(keys, dict) else section, "value": value}
        for section, keys in values.items()
        for key, value in (keys.items() if isinstance(keys, dict) else [("", keys)])
    ]
    print_rows(rows, ("setting", "value"))
    say("the settings are in order")
