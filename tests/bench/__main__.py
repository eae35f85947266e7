"""``make bench``: each work side by side with its peer or bound in the same run; saved to ``docs/results/``."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import reading, verifying, writing
from service.cli.benches import ingest
from service.cli.benches.machine import fsyncs_per_second, machine_facts

RESULTS = Path(__file__).parents[2] / "docs" / "results"
WORKS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "ingest": ingest.measure,
    "reading": reading.measure,
    "write": writing.measure,
    "verify": verifying.measure,
}


def run(work: str) -> dict[str, Any]:
    """One work's report: ``{"work", "machine", "probe", "rows", "command"}``."""
    machine = machine_facts()
    with tempfile.TemporaryDirectory() as folder:
        probe = {"fsync_per_second": fsyncs_per_second(Path(folder))}
        rows = WORKS[work](Path(folder))
    return {"work": work, "command": f"make bench ARGS={work}", "machine": machine, "probe": probe, "rows": rows}


def table(report: dict[str, Any]) -> str:
    """For people: each load's engines, and ours as a ratio to each of them."""
    ours = {(row["load"], row["metric"]): row["value"] for row in report["rows"] if row["engine"] == "epikrise"}
    lines = [f"{report['work']}, fsync/s {report['probe']['fsync_per_second']}"]
    for row in report["rows"]:
        other = ours.get((row["load"], row["metric"])) if row["engine"] != "epikrise" else None
        ratio = "" if other is None else f"   ours / this: {other / row['value']:.3g}"
        lines.append(f"  load {row['load']:>3}  {row['engine']:<12} {row['metric']:<20} {row['value']:>10}{ratio}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("work", nargs="*", help=f"some of {', '.join(WORKS)}; default: all")
    parser.add_argument("--json", action="store_true", help="the reports on stdout; nothing is saved")
    given = parser.parse_args()
    unknown = [name for name in given.work if name not in WORKS]
    if unknown:
        parser.error(f"{unknown[0]}: not among {', '.join(WORKS)}")
    reports = []
    for work in given.work or WORKS:
        reports.append(run(work))
        sys.stderr.write(table(reports[-1]) + "\n")
        if not given.json:
            RESULTS.mkdir(parents=True, exist_ok=True)
            text = json.dumps(reports[-1], indent=2, ensure_ascii=False) + "\n"
            (RESULTS / f"bench-{work}.json").write_text(text, encoding="utf-8")
    if given.json:
        sys.stdout.write(json.dumps(reports, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
