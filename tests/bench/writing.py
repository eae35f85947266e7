"""``write``: tokens a second of our strict loop beside ``generate`` of transformers, same model, same charts."""

import time
from pathlib import Path
from typing import Any

import torch

from service.model import Lang
from workers.app import DEMONSTRATION_MODEL
from workers.training.dataset import synthetic_chart
from workers.writer.engine import LlamaWriter, open_writer

_CASES = 6
Row = dict[str, Any]


def measure(_: Path) -> list[Row]:
    """Load 1: one letter at a time, as the paper's users would run it. Both write freely to their own end."""
    writer = open_writer(DEMONSTRATION_MODEL)
    languages: tuple[Lang, ...] = ("de", "en")
    charts = [(synthetic_chart(seed, lang), lang) for seed in range(_CASES // 2) for lang in languages]
    writer.write(*charts[0])  # warm
    ours = theirs = 0.0
    ours_tokens = theirs_tokens = 0
    for chart, lang in charts:
        raw = writer.write(chart, lang)
        ours += raw.writer.seconds
        ours_tokens += raw.writer.tokens
        tokens, seconds = _generate(writer, writer.prompt(chart, lang)[1])
        theirs += seconds
        theirs_tokens += tokens
    return [
        {
            "engine": name,
            "load": 1,
            "metric": "tokens_per_second",
            "value": round(tokens / seconds, 1),
            "unit": "1/s",
        }
        for name, tokens, seconds in (("epikrise", ours_tokens, ours), ("generate", theirs_tokens, theirs))
    ]


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _generate(writer: LlamaWriter, ids: list[int]) -> tuple[int, float]:
    started = time.perf_counter()
    out = writer.model.generate(
        input_ids=torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.int64),
        max_new_tokens=writer.manifest.letter_tokens,
        do_sample=False,
        eos_token_id=list(writer.classes.vocabulary.end),
        pad_token_id=writer.tokenizer.pad_token_id,
    )
    return out.shape[1] - len(ids), time.perf_counter() - started
