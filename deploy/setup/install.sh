#!/usr/bin/env bash
# Makes the virtual environment: torch first, alone and without hashes (its builds differ by
# machine: CPU, CUDA), then everything else exactly as locked. Run by `make setup`.
set -euo pipefail
lock=$1
exec >&2 # stdout belongs to what the set-up is made for: `make demo ARGS="--once --json" > case.json`

say() { printf 'setup: %s\n' "$*"; }

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python 3.11 or newer is needed; '$PYTHON' is $("$PYTHON" --version 2>&1). Name another: make setup PYTHON=python3.12"
    exit 2
}
if [ ! -x "$VENV/bin/python" ]; then
    say "virtual environment in $VENV"
    "$PYTHON" -m venv "$VENV" || {
        say "no virtual environment could be made; on Debian and Ubuntu the package python3-venv provides it"
        exit 2
    }
fi
pip=("$VENV/bin/python" -m pip --disable-pip-version-check)

if ! "$VENV/bin/python" -c 'import torch' 2>/dev/null; then
    say "torch, the model runtime: a download of about 0.2 GB as CPU build, up to 3 GB as the CUDA build that pip takes by default on Linux"
    say "(no GPU here? stop with Ctrl-C and give the CPU-only index shown on pytorch.org: make setup TORCH_INDEX=URL)"
    index=()
    [ -n "${TORCH_INDEX:-}" ] && index=(--index-url "$TORCH_INDEX")
    "${pip[@]}" install "${index[@]}" 'torch>=2.6,<2.14'
fi
say "the other libraries, as locked (about 0.4 GB)"
"${pip[@]}" install --quiet --no-deps --require-hashes -r "$lock"
"${pip[@]}" install --quiet --no-deps --editable .
say "done; .venv/bin/epikrise --help"
