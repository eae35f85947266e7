"""Loading a base in NF4 and attaching a LoRA adapter: one way for writing, training and evaluation."""

import os
import warnings
from pathlib import Path
from typing import Any

import torch

from service.errors import ModelUnavailable

REMEDY = "Restore the directory from where it came, or import it anew."
_ANY_FAULT = Exception
"""The libraries raise whatever comes over damaged files, classes of their own among it; the class is told."""


def stay_offline() -> None:
    """No model, tokenizer or code may come from a network; read by the libraries when first imported."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def load_tokenizer(base: Path) -> Any:
    """The base's fast tokenizer.

    Raises:
        ModelUnavailable: it cannot be read.
    """
    stay_offline()
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(base), local_files_only=True, trust_remote_code=False, use_fast=True)
    except _ANY_FAULT as fault:
        raise ModelUnavailable(f"{base}: tokenizer unreadable ({type(fault).__name__})", remedy=REMEDY) from fault


def load_quantised(base: Path, *, device: str | None = None) -> Any:
    """The base in NF4 with double quantisation (Dettmers et al. 2023, QLoRA), other parameters unquantised.

    Computes in bfloat16 on a GPU and in float32 on a CPU, where bfloat16 is slower and gains nothing.

    Raises:
        ModelUnavailable: the weights cannot be read.
    """
    stay_offline()
    import bitsandbytes  # noqa: F401  # tells transformers at import that it is there
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from transformers.utils import logging

    logging.disable_progress_bar()  # stderr belongs to the one who called: a letter's findings, a worker's log
    device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    computing = torch.bfloat16 if device.startswith("cuda") else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(base),
            quantization_config=BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=computing,
            ),
            device_map={"": device},
            dtype=computing,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except _ANY_FAULT as fault:
        raise ModelUnavailable(f"{base}: weights unreadable ({type(fault).__name__})", remedy=REMEDY) from fault
    keep_weights_unpacked(model)
    return model


def keep_weights_unpacked(model: Any) -> None:
    """Forbid bitsandbytes' AVX512-BF16 path.

    On such a CPU the first forward in eval mode repacks ``Linear4bit`` weights in place; training
    afterwards in that process gets wrong gradients without a word, and a merge gives garbage.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def attach_lora(model: Any, lora: Path) -> Any:
    """The base with its LoRA adapter, for writing only.

    Raises:
        ModelUnavailable: the LoRA adapter cannot be read or does not fit this base.
    """
    from peft import PeftModel

    if not (lora / "adapter_model.safetensors").is_file():
        raise ModelUnavailable(f"{lora / 'adapter_model.safetensors'} is missing", remedy=REMEDY)
    try:
        with warnings.catch_warnings():
            # peft asks transformers by a name that the latter will drop; nobody who reads stderr can mend that
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            attached = PeftModel.from_pretrained(model, str(lora), is_trainable=False, local_files_only=True)
    except _ANY_FAULT as fault:
        raise ModelUnavailable(f"{lora}: LoRA adapter unreadable ({type(fault).__name__})", remedy=REMEDY) from fault
    keep_weights_unpacked(attached)
    return attached.eval()
