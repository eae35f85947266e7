"""The score of a letter counts facts against the institution's own letter, and hides no fault."""

import random
from dataclasses import dataclass

import pytest

from service.model import Chart, Lang, RawLetter, WriterInfo
from workers.training.dataset import synthetic_chart
from workers.training.evaluate import evaluation_charts, score, summarise
from workers.training.styles import compose

STYLE = "demonstration"


@dataclass(frozen=True)
class Scripted:
    """Writes what it was given: the letter is the input of what is tested here."""

    text: str

    def write(self, chart: Chart, lang: Lang) -> RawLetter:
        info = WriterInfo(base="0" * 64, lora="0" * 64, prompt="0" * 64, handles="0" * 64, tokens=100, seconds=2.0)
        return RawLetter(raw=self.text, lang=lang, writer=info)


@pytest.fixture
def chart() -> Chart:
    return synthetic_chart(3, "en")


@pytest.fixture
def wanted(chart: Chart) -> str:
    return compose(chart, STYLE, "en", random.Random(0))


def test_the_institutions_own_letter_is_exact(chart: Chart, wanted: str) -> None:
    found = score(Scripted(wanted), "own", chart, "en", STYLE)

    assert (found.exact, found.same, found.lacking, found.surplus, found.blocking) == (True, True, (), (), 0)


def test_a_fact_left_out_is_lacking(chart: Chart, wanted: str) -> None:
    line = next(line for line in wanted.splitlines() if "[[medication.1.drug]]" in line)

    found = score(Scripted(wanted.replace(line, "")), "short", chart, "en", STYLE)

    assert "medication.1.drug" in found.lacking
    assert (found.exact, found.same, found.surplus) == (False, False, ())
    assert found.omitted > 0


def test_a_fact_told_twice_is_surplus_once(chart: Chart, wanted: str) -> None:
    line = next(line for line in wanted.splitlines() if "[[medication.1.drug]]" in line)

    found = score(Scripted(wanted.replace(line, f"{line}\n{line}")), "twice", chart, "en", STYLE)

    assert found.surplus.count("medication.1.drug") == 1
    assert found.lacking == ()


def test_the_summary_counts_letters_and_facts(chart: Chart, wanted: str) -> None:
    line = next(line for line in wanted.splitlines() if "[[medication.1.drug]]" in line)
    good = score(Scripted(wanted), "own", chart, "en", STYLE)
    short = score(Scripted(wanted.replace(line, "")), "short", chart, "en", STYLE)

    summary = summarise([good, short])

    assert (summary["letters"], summary["exact_facts"], summary["same_text"]) == (2, 0.5, 0.5)
    assert summary["facts_lacking"] == len(short.lacking)
    assert summary["tokens_per_second"] == 50.0


def test_evaluation_charts_are_the_seeds_in_both_languages_and_repeat() -> None:
    plain = evaluation_charts([1, 2], varied=False)

    assert [(name, lang) for name, _, lang in plain] == [("de-1", "de"), ("de-2", "de"), ("en-1", "en"), ("en-2", "en")]
    assert plain[0][1] == synthetic_chart(1, "de")
    varied = evaluation_charts([1, 2], varied=True)
    assert [chart for _, chart, _ in varied] != [chart for _, chart, _ in plain]
    assert varied == evaluation_charts([1, 2], varied=True)
