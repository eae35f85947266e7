"""``demo``: the whole path once, with real parts, on this machine."""

import secrets
from typing import Annotated

import typer

from service.cli.messages import language
from service.cli.output import print_json, print_text, say
from service.config import load_settings


def add_to(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when the draft is in the inbox, and print it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    lang: Annotated[str, typer.Option(help="Language of the letter: de or en.")] = "de",
    site: Annotated[str | None, typer.Option(help="Tumour site: breast, lung, prostate, …; default: any.")] = None,
    seed: Annotated[int | None, typer.Option(help="Invent the same case again.")] = None,
) -> None:
    """One invented discharge, from an MLLP socket to the EHR's inbox; then yours to review and sign."""
    from service.cli.stage import Stage
    from workers.training.synthetic import generate_case

    chosen = language(lang)
    case = generate_case(secrets.randbelow(1_000_000) if seed is None else seed, lang=chosen, site=site)
    with Stage.open(load_settings(), lang=chosen) as stage:
        report = stage.play(case)
        if as_json:
            print_json(report.as_json())
        elif once:
            print_text(report.letter)
        else:
            say("")
            print_text(report.letter)
        if once:
            return
        say("")
        for name, url in report.urls.items():
            say(f"{name:<11} {url}")
        say(
            "The draft waits in the inbox: open it, read it beside its sources, sign it. Ctrl-C ends the demonstration."
        )
        stage.wait()
