"""``python -m tests.screenshots``: the README's pictures, of an invented case that the demonstration model wrote about.

The letter is the model's own, as everywhere: nothing else stands in for it. For ``finding.png`` a dose is
changed by hand through the page, as the page itself then says.
"""

import argparse
import copy
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
MODEL = ROOT / "workers" / "demo_model"
WIDTH = 1440
SEED, SITE = 11, "breast"


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 3 where the model or a Chromium is missing, with the remedy on stderr. Prints the pictures' paths."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--lang", choices=["de", "en"], default="en", help="of the page and of the letter")
    parser.add_argument("--to", type=Path, default=PICTURES, help="folder for the pictures")
    wish = parser.parse_args(arguments)
    sys.path.insert(0, str(Path(__file__).parent / "browser"))
    from chromium import NONE, find_chromium

    from service.errors import ModelUnavailable

    if find_chromium() is None:
        sys.stderr.write(f"screenshots: {NONE}\n")
        return 3
    try:
        made = take_pictures(wish.to, lang=wish.lang)
    except ModelUnavailable as error:
        sys.stderr.write(f"screenshots: {error}\n")
        return 3
    sys.stdout.write("".join(f"{picture}\n" for picture in made))
    return 0


def take_pictures(folder: Path, *, lang: str) -> list[Path]:
    """``review.png``, ``finding.png``, ``operations.png``, ``inbox.png``, ``messages.png``.

    Raises ModelUnavailable.
    """
    from chromium import headless
    from ward import a_ward

    from service.chart import build_chart
    from service.chart.bundle import resources_of
    from service.model import FactType
    from workers.training.synthetic import generate_case
    from workers.writer.engine import open_writer

    told = generate_case(SEED, lang="de" if lang == "de" else "en", site=SITE)
    chart = build_chart([], resources_of(copy.deepcopy(told.bundle)))
    doses = [fact.display.in_(told.lang) for fact in chart.facts if fact.type is FactType.DOSE]
    letter = open_writer(MODEL).write(chart, told.lang)
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []

    def take(page: Page, name: str, *, height: int = 1000) -> None:
        made.append(folder / f"{name}.png")
        page.set_viewport_size({"width": WIDTH, "height": height})
        page.screenshot(path=made[-1], animations="disabled")

    with (
        tempfile.TemporaryDirectory() as home,
        a_ward(Path(home), told, letter=letter) as ward,
        headless() as browser,
    ):
        context = browser.new_context(viewport={"width": WIDTH, "height": 1000}, locale=lang, reduced_motion="reduce")
        page = context.new_page()
        page.goto(f"{ward.ehr}/inbox?lang={lang}")
        take(page, "inbox", height=440)
        page.goto(f"{ward.pages}/operations")
        take(page, "operations")
        page.goto(ward.installation.addresses.review(ward.case_id))
        take(page, "review")
        stated = [dose for dose in doses if page.locator(".prose", has_text=dose).count()]
        if stated:
            _change_a_dose(page, stated[0])
            page.locator(".steps .blocked").click()
            take(page, "finding")
        else:
            sys.stderr.write("screenshots: the model's letter states no dose to change, so finding.png is left out\n")
    made.append(picture_messages(folder, lang=lang))
    return made


def picture_messages(folder: Path, *, lang: str) -> Path:
    """``messages.png``: the message browser at night, one message refused. Needs no model."""
    from chromium import headless
    from message_fixtures import a_browser, adt

    picture = folder / "messages.png"
    with tempfile.TemporaryDirectory() as home, a_browser(Path(home)) as messages, headless() as browser:
        for number, trigger in enumerate(["A01", "A08", "A02", "A08", "A03"]):
            messages.keep(adt(trigger, f"KIS-{4706 + number}", minute=number), f"KIS-{4706 + number}")
        messages.keep(adt("Q99", "KIS-4711"), "KIS-4711", error_code="201")
        messages.work()
        context = browser.new_context(viewport={"width": WIDTH, "height": 1180}, locale=lang, reduced_motion="reduce")
        page = context.new_page()
        page.goto(f"{messages.root}/messages")
        page.screenshot(path=picture, animations="disabled")
    return picture


def _change_a_dose(page: Page, right: str) -> None:
    section = page.locator(".letter-section", has=page.locator(".prose", has_text=right)).first
    section.locator("details.edit > summary").click()
    field = section.locator("textarea")
    field.fill(field.input_value().replace(right, _wrong(right), 1))
    field.press("Control+Enter")
    page.locator(".steps .blocked").wait_for()


def _wrong(dose: str) -> str:
    """Two digits changed places, the commonest slip of a hand."""
    digits = [place for place, sign in enumerate(dose) if sign.isdecimal()]
    one, other = digits[0], digits[1]
    return dose[:one] + dose[other] + dose[one + 1 : other] + dose[one] + dose[other + 1 :]


if __name__ == "__main__":
    raise SystemExit(main())
