"""``make model``: the demonstration model, from nothing to a verified model directory.

A small Llama learns letters from the synthetic institutions ``university`` and ``telegraphic``; a LoRA
adapter over it in NF4 then learns the style of a third, ``demonstration``. Nothing measured on it says
anything about LLaMA-3: it shows the path, not the paper's result.
"""

import argparse
import random
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from workers.training.base import Report, new_llama, save_base, train_base
from workers.training.dataset import Source, gather_source, sample_texts
from workers.training.optimiser import Budget
from workers.training.qlora import new_lora, save_lora, train_lora
from workers.training.tokenizer import train_tokenizer
from workers.writer.manifest import write_manifest
from workers.writer.quantised import load_tokenizer

NAME = "epikrise-demonstration-1"
OTHER_INSTITUTIONS = ("university", "telegraphic")
INSTITUTION = ("demonstration",)
FIRST_TRAINING_SEED = 1_000_000
"""Seeds below it are never trained on: the demonstration and the evaluation draw from there."""
CASES = 600
BASE_STEPS = 1_600
LORA_STEPS = 900
LETTER_TOKENS = 1_000
SHIPPED = Path(__file__).parents[1] / "demo_model"


def make_model(
    directory: Path, *, base_steps: int = BASE_STEPS, lora_steps: int = LORA_STEPS, cases: int = CASES, seed: int = 1
) -> None:
    """Train base and LoRA adapter into ``directory`` and write its manifest.

    About 50 minutes on two cores with the defaults. An existing ``base/`` is taken with ``base_steps`` 0.
    """
    torch.manual_seed(seed)
    source = gather_source(range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + cases))
    base, lora = directory / "base", directory / "lora"
    with _progress() as progress:
        if base_steps:
            _make_base(base, source, steps=base_steps, seed=seed, report=_report(progress, "base"))
        _make_lora(base, lora, source, steps=lora_steps, seed=seed, report=_report(progress, "LoRA adapter"))
    write_manifest(directory, name=NAME, letter_tokens=LETTER_TOKENS)


def _make_base(base: Path, source: Source, *, steps: int, seed: int, report: Report) -> None:
    texts = sample_texts(source, OTHER_INSTITUTIONS, random.Random(seed), 600)
    tokenizer = train_tokenizer(texts)
    model = new_llama(len(tokenizer), end=tokenizer.eos_token_id, pad=tokenizer.pad_token_id)
    train_base(
        model,
        source,
        OTHER_INSTITUTIONS,
        tokenizer,
        budget=Budget(steps=steps),
        seed=seed,
        report=report,
        checkpoint=base,
        checkpoint_every=50,
    )
    save_base(model, tokenizer, base)


def _make_lora(base: Path, lora: Path, source: Source, *, steps: int, seed: int, report: Report) -> None:
    model = new_lora(base)
    tokenizer = load_tokenizer(base)
    train_lora(model, source, INSTITUTION, tokenizer, budget=Budget(steps=steps), seed=seed + 1, report=report)
    save_lora(model, lora)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<14}"),
        BarColumn(),
        TextColumn("{task.fields[loss]:>7.4f} nats/token"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _report(progress: Progress, name: str) -> Report:
    task: Any = progress.add_task(name, total=1.0, loss=float("nan"))
    smooth: list[float] = []

    def report(done: float, loss: float, _: int) -> None:
        smooth.append(loss)
        del smooth[:-20]
        progress.update(task, completed=done, loss=sum(smooth) / len(smooth))
        if not progress.console.is_terminal:
            sys.stderr.write(f"{name} {done:.4f} {loss:.4f}\n")
            sys.stderr.flush()

    return report


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers.training.demo_model", description=__doc__)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="model directory; default: the shipped one")
    parser.add_argument("--base-steps", type=int, default=BASE_STEPS, help="0: keep the base that is there")
    parser.add_argument("--lora-steps", type=int, default=LORA_STEPS)
    parser.add_argument("--cases", type=int, default=CASES, help="synthetic cases to train on")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    make_model(given.out, base_steps=given.base_steps, lora_steps=given.lora_steps, cases=given.cases, seed=given.seed)


if __name__ == "__main__":
    main()
