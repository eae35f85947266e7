"""What holds for the whole test run: nothing that tells of a patient leaves the store."""

import pytest
from phi_watch import watch


def pytest_configure() -> None:
    watch.start()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that looks back on the run comes last."""
    items.sort(key=lambda item: item.path.name == "test_no_phi.py")
