"""``epikrise``: the commands, and how their errors end."""

import os
import sys

import typer

from service.cli import cases, demonstration, letters, messages, processes, queues
from service.cli.output import complain
from service.errors import EpikriseError

app = typer.Typer(
    name="epikrise",
    help="Drafts radiation-oncology physician letters inside the hospital, for a physician to review and sign.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
demonstration.add_to(app)
processes.add_to(app)
messages.add_to(app)
letters.add_to(app)
app.add_typer(cases.app, name="case", help="One case, its timeline and its next action.")
app.add_typer(queues.app, name="queue", help="The stages and their health.")
app.add_typer(processes.config_app, name="config", help="The settings.")
app.add_typer(letters.model_app, name="model", help="The models on this machine.")


def run() -> None:
    """The console script. Every foreseen error ends in one sentence and the exit code of its kind."""
    try:
        app()
    except EpikriseError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # the reader of our output is gone; without this Python complains once more while it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
