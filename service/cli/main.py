"""``epikrise``: the commands, and how their errors end."""

import os
import sys
import traceback
from pathlib import Path

import typer

from service.cli import (
    audit,
    bench,
    cases,
    demonstration,
    kept_messages,
    letters,
    messages,
    processes,
    queues,
    rules,
    subscriptions,
)
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
app.add_typer(kept_messages.app, name="message", help="What came in: list, look, read again, export.")
app.add_typer(queues.app, name="queue", help="The stages and their health.")
app.add_typer(rules.app, name="rules", help="What starts a letter.")
app.add_typer(subscriptions.app, name="subscription", help="Our Subscription at the EHR.")
app.add_typer(processes.config_app, name="config", help="The settings.")
app.add_typer(letters.model_app, name="model", help="The models on this machine.")
app.add_typer(bench.app, name="bench", help="Figures of this machine, beside its bound and its peers.")
app.add_typer(audit.app, name="audit", help="The tamper-evident audit trail.")


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
    except OSError as error:
        complain(f"{error.filename or 'the system'}: {error.strerror or type(error).__name__}")
        sys.exit(2)
    except Exception as error:
        # class and place only: the text of a foreign exception may quote a chart
        complain(
            f"unexpected {type(error).__name__} at {_place(error)}; this is a fault of the program, please report it"
        )
        sys.exit(1)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
