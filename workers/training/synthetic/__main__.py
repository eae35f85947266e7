"""``python -m workers.training.synthetic --seed 1 --lang de --site breast --out DIR``."""

import argparse
from pathlib import Path

from workers.training.synthetic import SITES, generate_case, write_case


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m workers.training.synthetic", description="Write one synthetic case."
    )
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--lang", choices=["de", "en"], required=True)
    parser.add_argument("--site", choices=SITES, help="drawn from the seed where not given")
    parser.add_argument("--out", type=Path, required=True, help="folder for bundle.json and messages.hl7")
    given = parser.parse_args()
    for path in write_case(generate_case(given.seed, lang=given.lang, site=given.site), given.out):
        print(path)  # noqa: T201 the command's output


if __name__ == "__main__":
    main()
