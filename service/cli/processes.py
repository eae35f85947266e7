"""``serve``, ``worker``, ``doctor``, ``config check``: the processes and their settings."""

import os
from typing import Annotated

import typer

from service.cli.output import print_json, print_rows, say
from service.config import Settings, load_settings
from service.errors import UnusableInput, WrongSetting
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
    """Every dependency, each failure with its mend. Exit 3 if one cannot be reached, 1 if one fails otherwise."""
    from service.cli.checkup import examine, verdict

    rows = examine(load_settings())
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("check", "state", "detail", "remedy"))
    if code := verdict(rows):
        raise typer.Exit(code)


@config_app.command()
def check(as_json: AsJson = False) -> None:
    """The settings in force; secrets redacted. Exit 2 if one is wrong."""
    settings = load_settings()
    _look_for_files(settings)
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


@config_app.command()
def jwks() -> None:
    """The public keys of ehr.client_key as a JWK Set, to register with the EHR's authorization server."""
    settings = load_settings()
    if settings.ehr.client_key is None:
        raise WrongSetting("ehr.client_key is not set", remedy="Name the file of the private key.")
    from adapters.fhir.auth import load_client_keys, public_jwks

    print_json(public_jwks(load_client_keys(settings.ehr.client_key)))


def _look_for_files(settings: Settings) -> None:
    """Raises WrongSetting for the first file or folder that a setting names and nobody can read."""
    named = {
        "mllp.certificate": settings.mllp.certificate,
        "mllp.key": settings.mllp.key,
        "mllp.client_ca": settings.mllp.client_ca,
        "ehr.client_key": settings.ehr.client_key,
        "model.directory": settings.model.directory,
    }
    for setting, path in named.items():
        if path is not None and not os.access(path, os.R_OK):
            raise WrongSetting(f"{setting}: {path} cannot be read", remedy="Name a path that this user can read.")
