"""The machine's Chromium, headless, for tests and pictures.

Import it before the helpers of ``tests/integration``: it makes them known.
"""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Error, sync_playwright

_INTEGRATION = Path(__file__).parents[1] / "integration"
sys.path[:0] = [str(_INTEGRATION), str(_INTEGRATION / "web")]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NONE = "no Chromium on this machine: install Debian's chromium, or put one on PATH"


def find_chromium() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextlib.contextmanager
def headless() -> Iterator[Browser]:
    """Raises RuntimeError, with the remedy, where there is none or it does not start."""
    binary = find_chromium()
    if binary is None:
        raise RuntimeError(NONE)
    with sync_playwright() as playwright:
        try:
            # no sandbox: containers and root have no user namespaces, and the pages are our own
            browser = playwright.chromium.launch(
                executable_path=binary, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
            )
        except Error as error:
            raise RuntimeError(f"{binary} does not start: {str(error).splitlines()[0]}") from None
        try:
            yield browser
        finally:
            browser.close()
