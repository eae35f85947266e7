"""How good a model's letters are: counted fact by fact on cases that it was never trained on.

ROUGE hardly sees facts, so it comes last. What counts is the share of letters that state exactly the
facts which the institution's own letter for this chart would state, and what ``verify`` says of them.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from service.letter import resolve
from service.model import Chart, FindingKind, Lang, Severity
from service.ports import Writer
from service.verify import verify
from workers.training.augment import STYLE_VARIATION, gather, vary
from workers.training.dataset import knows, synthetic_chart
from workers.training.styles import compose, stated_handles
from workers.writer.engine import open_writer


@dataclass(frozen=True, kw_only=True)
class LetterScore:
    """One letter against the institution's own.

    ``lacking``, ``surplus``: handles that the institution's letter states and this one does not, and the
    other way round; a handle told twice is surplus once. ``same``: equal but for spacing.
    """

    name: str
    lang: Lang
    facts: int
    lacking: tuple[str, ...]
    surplus: tuple[str, ...]
    same: bool
    blocking: int
    warnings: int
    omitted: int
    tokens: int
    seconds: float

    @property
    def exact(self) -> bool:
        return not self.lacking and not self.surplus


def score(writer: Writer, name: str, chart: Chart, lang: Lang, style: str) -> LetterScore:
    """Let the model write one letter and hold it against the institution's.

    Raises:
        WriterFailed: it wrote nothing.
    """
    known = Chart(facts=tuple(fact for fact in chart.facts if knows(fact.handle)))
    wanted = compose(known, style, lang, random.Random(0))
    raw = writer.write(known, lang)
    letter = resolve(raw, chart)
    findings = verify(letter.text, chart, lang, spans=letter.spans).findings
    should, does = Counter(stated_handles(wanted)), Counter(stated_handles(raw.raw))
    return LetterScore(
        name=name,
        lang=lang,
        facts=len(known.facts),
        lacking=tuple(sorted((should - does).elements())),
        surplus=tuple(sorted((does - should).elements())),
        same=raw.raw.split() == wanted.split(),
        blocking=sum(f.severity is Severity.BLOCK for f in findings),
        warnings=sum(f.severity is Severity.WARN and f.kind is not FindingKind.OMITTED for f in findings),
        omitted=sum(f.severity is Severity.WARN and f.kind is FindingKind.OMITTED for f in findings),
        tokens=raw.writer.tokens,
        seconds=raw.writer.seconds,
    )


def evaluation_charts(seeds: Sequence[int], *, varied: bool) -> list[tuple[str, Chart, Lang]]:
    """Charts of both languages; ``varied``: with facts missing, lists of odd lengths, words never seen."""
    found: list[tuple[str, Chart, Lang]] = []
    languages: tuple[Lang, ...] = ("de", "en")
    for lang in languages:
        charts = [synthetic_chart(seed, lang) for seed in seeds]
        pool = gather(charts)
        for seed, chart in zip(seeds, charts, strict=True):
            name = f"{lang}-{seed}"
            found.append((name, vary(chart, pool, random.Random(seed), STYLE_VARIATION) if varied else chart, lang))
    return found


def summarise(scores: Sequence[LetterScore]) -> dict[str, float | int]:
    """Counts over all letters, and shares between 0 and 1."""
    many = len(scores)
    return {
        "letters": many,
        "exact_facts": round(sum(each.exact for each in scores) / many, 4),
        "same_text": round(sum(each.same for each in scores) / many, 4),
        "facts_lacking": sum(len(each.lacking) for each in scores),
        "facts_surplus": sum(len(each.surplus) for each in scores),
        "letters_blocked": sum(each.blocking > 0 for each in scores),
        "blocking": sum(each.blocking for each in scores),
        "warnings": sum(each.warnings for each in scores),
        "omitted": sum(each.omitted for each in scores),
        "tokens_per_second": round(sum(each.tokens for each in scores) / sum(each.seconds for each in scores), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers.training.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--style", default="demonstration")
    parser.add_argument("--cases", type=int, default=40, help="synthetic cases, each in German and in English")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--varied", action="store_true", help="charts with holes and lists of odd lengths")
    parser.add_argument("--show", action="store_true", help="each letter that is not exact, to stderr")
    given = parser.parse_args()
    writer = open_writer(given.model)
    scores: list[LetterScore] = []
    seeds = range(given.first_seed, given.first_seed + given.cases)
    for name, chart, lang in evaluation_charts(seeds, varied=given.varied):
        scores.append(score(writer, name, chart, lang, given.style))
        if given.show and not (scores[-1].exact and not scores[-1].blocking):
            sys.stderr.write(json.dumps(asdict(scores[-1])) + "\n")
    sys.stdout.write(json.dumps(summarise(scores), indent=2) + "\n")


if __name__ == "__main__":
    main()
