"""Writing on transformers + peft + bitsandbytes: a checked model directory, strict decoding, the Writer."""
