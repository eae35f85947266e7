"""Tokenizers of the kinds that occur, trained on synthetic prompts and letters, and what a lawful text is."""

import json
import random
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from service.model import Chart, Lang
from service.prompt import build_prompt
from service.verify.numbers import NUMBER_WORDS
from workers.training.dataset import synthetic_chart
from workers.training.styles import DEMONSTRATION_STYLE, STYLES, compose
from workers.training.tokenizer import END, PAD, train_tokenizer
from workers.writer.handles import references
from workers.writer.terms import DIGIT_TERMS

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""LLaMA-3's pre-tokenization (meta-llama/llama3, tokenizer.py, pat_str)."""
LANGUAGES: tuple[Lang, ...] = ("de", "en")


@cache
def chart(seed: int = 7, lang: Lang = "de") -> Chart:
    return synthetic_chart(seed, lang)


def chart_references(case: Chart, lang: Lang = "de") -> tuple[str, ...]:
    return references(case, [fact.handle for fact in case.facts], lang)


def letters(seeds: Iterable[int], languages: Sequence[Lang] = LANGUAGES) -> list[str]:
    """Raw letters in every style."""
    return [
        compose(chart(seed, lang), style, lang, random.Random(seed))
        for seed in seeds
        for lang in languages
        for style in (*STYLES, DEMONSTRATION_STYLE)
    ]


@cache
def texts() -> tuple[str, ...]:
    prompts = [build_prompt(chart(seed, lang), lang).text for seed in range(4) for lang in LANGUAGES]
    # digits, quotation marks and dashes must have merges too, or no walk would meet them
    others = ["Am 03.02.2026 erhielt „Frau Müller“ 50,4 Gy – fünf Fraktionen, CA 15-3, HER2, CTCAE v5.0.\n1. erstens\n"]
    return (*prompts, *letters(range(4)), *others * 8)


@cache
def small() -> Any:
    """Every handle is one token."""
    return train_tokenizer(texts())


@cache
def like_llama_3() -> Any:
    """Handles are plain text of several tokens, and their brackets merge with what stands beside them."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts(),
        trainers.BpeTrainer(
            vocab_size=1500,
            special_tokens=[PAD, END],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    return _fast(tokenizer)


@cache
def like_llama_2() -> Any:
    """SentencePiece's form: a visible space, and bytes as tokens of their own for what it never saw."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()],
    )
    single = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=1200, special_tokens=[PAD, END, "<unk>", *single], show_progress=False)
    tokenizer.train_from_iterator(texts(), trainer)
    described = tokenizer.to_str()
    # trained as special so that each is kept whole; in LLaMA-2 only the controls are
    return _fast(Tokenizer.from_str(_without_special(described, keep={PAD, END, "<unk>"})))


def _without_special(described: str, *, keep: set[str]) -> str:
    read = json.loads(described)
    read["added_tokens"] = [entry for entry in read["added_tokens"] if entry["content"] in keep]
    return json.dumps(read)


def _fast(tokenizer: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False
    )


_TERM = re.compile(
    r"(?<![^\W_])(?:" + "|".join(map(re.escape, sorted(DIGIT_TERMS, key=len, reverse=True))) + r")(?![^\W_])"
)
_LIST_NUMBER = re.compile(r"^(?:[1-9]|[12][0-9]|30)[.)] ", re.MULTILINE)
_COUNTED = re.compile(
    r"\b(?:"
    + "|".join(sorted(map(re.escape, NUMBER_WORDS), key=len, reverse=True))
    + r")\W+(?:Gy|cGy|Gray|mg|ml|g|Fraktion(?:en)?|fractions?|Zykl\w*|cycles?)\b",
    re.IGNORECASE,
)


def faults(text: str, lawful_references: Iterable[str]) -> list[str]:
    """What a raw letter must not hold, found with plain patterns and no automaton."""
    allowed = set(lawful_references)
    found = [each for each in re.findall(r"\[\[.*?\]\]", text, re.DOTALL) if each not in allowed]
    rest = re.sub(r"\[\[.*?\]\]", "\ufffc", text, flags=re.DOTALL)
    found += re.findall(r"[\[\]]", rest)
    found += [match[0] for match in _COUNTED.finditer(rest)]
    rest = _TERM.sub("", _LIST_NUMBER.sub("", rest))
    return found + [char for char in rest if char.isnumeric()]
