"""The Writer: a verified model directory, loaded once, that writes letters made of handles.

What it returns is what the model wrote, token by token: no template, no retrieval, no editing.
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from service.errors import ModelUnavailable, WriterFailed
from service.model import Chart, Lang, RawLetter, WriterInfo
from service.prompt import Prompt, build_prompt
from workers.writer.decoding import Guard, TokenClasses, classify
from workers.writer.generation import write_greedily
from workers.writer.handles import known_references, references
from workers.writer.manifest import Manifest, verify_manifest
from workers.writer.quantised import attach_lora, load_quantised, load_tokenizer
from workers.writer.vocabulary import read_vocabulary

_FEWEST_FACTS = 8
_SMALL_WIDTH = 1024
"""A narrower model on a CPU computes with one thread: more bring it little, and on a busy machine threads
that wait for each other slow it many times."""


@dataclass(frozen=True, kw_only=True)
class LlamaWriter:
    """A base in NF4 with its LoRA adapter; see :class:`service.ports.Writer`.

    One letter at a time: the lock keeps callers in other threads from sharing a half-filled cache.
    """

    manifest: Manifest
    model: Any
    tokenizer: Any
    classes: TokenClasses
    lock: threading.Lock

    def write(self, chart: Chart, lang: Lang) -> RawLetter:
        """Write a letter for this chart.

        Raises:
            WriterFailed: the language is none of the model's, or the model wrote nothing.
        """
        if lang not in self.manifest.languages:
            raise WriterFailed(
                f"model {self.manifest.name} writes {', '.join(self.manifest.languages)}, not {lang}",
                remedy="Choose another letter language or a model that writes this one.",
            )
        with self.lock:
            started = time.perf_counter()
            prompt, ids = self.prompt(chart, lang)
            guard = Guard(self.classes, references(chart, prompt.handles, lang))
            limit = min(self.manifest.letter_tokens, self._context() - len(ids))
            written, _ = write_greedily(self.model, ids, guard, self.classes.vocabulary, limit=limit)
            seconds = time.perf_counter() - started
        raw = self.classes.vocabulary.text(written).strip()
        if not raw:
            raise WriterFailed(
                f"model {self.manifest.name} wrote nothing", remedy="Check the model with `epikrise model verify`."
            )
        return RawLetter(
            raw=raw,
            lang=lang,
            writer=WriterInfo(
                base=self.manifest.digest_of("base"),
                lora=self.manifest.digest_of("lora"),
                prompt=self.manifest.prompt_digest,
                handles=self.manifest.handles_digest,
                tokens=len(written),
                seconds=round(seconds, 3),
            ),
        )

    def prompt(self, chart: Chart, lang: Lang) -> tuple[Prompt, list[int]]:
        """A prompt that leaves half of the context to the letter, with as many facts as fit."""
        budget = self.manifest.budget
        room = self._context() - min(self.manifest.letter_tokens, self._context() // 2)
        while True:
            prompt = build_prompt(chart, lang, version=self.manifest.prompt_version, budget=budget, knows=self._knows)
            ids = encode_prompt(self.tokenizer, prompt.text)
            if len(ids) <= room or budget <= _FEWEST_FACTS:
                return prompt, ids[-(self._context() - 1) :]
            budget = min(int(budget * 0.85), max(len(prompt.handles) - 1, _FEWEST_FACTS))

    def _knows(self, handle: str) -> bool:
        return not self._has_handle_tokens() or f"[[{handle}]]" in self.tokenizer.get_added_vocab()

    def _has_handle_tokens(self) -> bool:
        return known_references()[0] in self.tokenizer.get_added_vocab()

    def _context(self) -> int:
        return int(self.model.config.max_position_embeddings)


def encode_prompt(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a prompt, with the begin token where the tokenizer has one; the same in training."""
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    return begin + list(tokenizer(text, add_special_tokens=False)["input_ids"])


def open_writer(model_dir: Path) -> LlamaWriter:
    """Verify a model directory and load it.

    Raises:
        ModelUnavailable: the directory is missing, incomplete, damaged or of another version.
    """
    manifest = verify_manifest(model_dir)
    base, lora = model_dir / "base", model_dir / "lora"
    for folder in (base, lora):
        if not folder.is_dir():
            raise ModelUnavailable(f"{folder} is missing", remedy="A model directory has base/ and lora/.")
    tokenizer = load_tokenizer(base)
    model = attach_lora(load_quantised(base), lora)
    if model.device.type == "cpu" and model.config.hidden_size < _SMALL_WIDTH:
        torch.set_num_threads(1)
    vocabulary = read_vocabulary(tokenizer, size=model.get_output_embeddings().weight.shape[0])
    return LlamaWriter(
        manifest=manifest, model=model, tokenizer=tokenizer, classes=classify(vocabulary), lock=threading.Lock()
    )
