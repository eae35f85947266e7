#!/usr/bin/env bash
# Resolves pyproject.toml into two lock files with hashes, for every platform and Python >= 3.11.
# torch and what only torch asks for stay out: its builds differ by machine (docs/decisions/0001).
set -euo pipefail
uv=${UV:-.venv/bin/uv}
[ -x "$uv" ] || .venv/bin/python -m pip install --quiet uv
override=$(mktemp)
trap 'rm -f "$override"' EXIT
echo "torch ; sys_platform == 'never'" > "$override"
compile() {
    "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --override "$override" --no-emit-package torch --no-header --no-annotate "$@"
}
compile --output-file requirements.lock
compile --extra dev --constraint requirements.lock --output-file requirements-dev.lock
