#!/usr/bin/env bash
# Installs the peers from npm into deploy/peers/node_modules, exactly as locked, without their install
# scripts. Run by `make peers`, and by `make test-all` with --if-possible: there the tests that need the
# peers are skipped and say why.
set -euo pipefail
cd "$(dirname "$0")"

# Stops; with --if-possible that is no failure.
stop() {
    printf 'peers: %s\n' "$1" >&2
    [ "$optional" = yes ] && exit 0
    exit "$2"
}

optional=no
[ "${1:-}" = --if-possible ] && optional=yes

command -v node >/dev/null && command -v npm >/dev/null ||
    stop "Node.js 20.19 or newer with npm is needed, and is not on the PATH. Install it and run: make peers" 2
node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1)' ||
    stop "Node.js 20.19, 22.12 or newer is needed; this is $(node --version)" 2

installed=node_modules/.package-lock.json
if [ -e "$installed" ] && [ ! package-lock.json -nt "$installed" ] && [ ! package.json -nt "$installed" ]; then
    exit 0
fi
npm ci --ignore-scripts --no-audit --no-fund >&2 || stop "npm could not install them; see its words above" 3
touch "$installed"
