"""`adapters` is also the name of a published library: what is imported must be what lies beside this test."""

from pathlib import Path

import adapters
import service
import workers

ROOT = Path(__file__).parents[2]


def test_the_packages_imported_are_those_of_this_project() -> None:
    for package in (adapters, service, workers):
        assert package.__file__ is not None, f"{package.__name__} is a namespace: its __init__.py is gone"
        assert Path(package.__file__).parent == ROOT / package.__name__
