"""Data to stdout, words to stderr, colour only where wanted."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console(stderr=True, highlight=False, soft_wrap=True)
"""For people; honours NO_COLOR."""


def say(text: str) -> None:
    console.print(text, markup=False)


def complain(text: str) -> None:
    console.print(f"epikrise: {text}", markup=False, style="red")


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def print_text(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A table on stdout; plain and never cut, so that it can be piped and an id copied."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*("" if row[column] is None else str(row[column]) for column in columns))
    width = None if sys.stdout.isatty() else _UNLIMITED
    # markup off: a bracket in a value is a bracket
    Console(highlight=False, soft_wrap=True, markup=False, width=width).print(table)


_UNLIMITED = 100_000
