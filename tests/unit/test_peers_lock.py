"""What `make peers` installs is pinned, checked by digest, and tied to no registry."""

import json
import re
from pathlib import Path

PEERS = Path(__file__).parents[2] / "deploy" / "peers"
EXACT = re.compile(r"\d+\.\d+\.\d+")


def test_every_peer_is_pinned_to_one_version_and_locked_by_its_digest() -> None:
    wanted = json.loads((PEERS / "package.json").read_text())["dependencies"]
    packages = json.loads((PEERS / "package-lock.json").read_text())["packages"]
    assert all(EXACT.fullmatch(version) for version in wanted.values())
    locked = {name: each for name, each in packages.items() if name}
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all(each["integrity"].startswith("sha512-") for each in locked.values())


def test_the_lock_names_no_address_to_download_from() -> None:
    packages = json.loads((PEERS / "package-lock.json").read_text())["packages"]
    assert [name for name, each in packages.items() if "resolved" in each] == []
    assert [name for name, each in packages.items() if each.get("hasInstallScript")] == []
