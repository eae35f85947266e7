"""``python -m service.cli``: the same as the console script, for child processes."""

from service.cli.main import run

run()
