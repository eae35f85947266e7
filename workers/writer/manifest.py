"""``manifest.json`` of a model directory: what the weights are, and the SHA-256 of every file.

Form: ``{"format": 1, "name", "languages", "prompt": {"version", "digest", "budget"}, "handles":
{"version", "digest"}, "licence", "synthetic", "letter_tokens", "files": {path: sha256}}``. Paths are
relative, with ``/``. A file that is not listed does not belong there.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from service.errors import ModelUnavailable, WrongSetting
from service.prompt import DEFAULT_BUDGET, PROMPT_VERSION, version_digest
from workers.writer.handles import HANDLE_VERSION, handles_digest

MANIFEST = "manifest.json"
_FORMAT = 1
_REMEDY = "Restore the directory from where it came (for the demonstration model: git checkout), or import it anew."
_RETRAIN = "Train the LoRA adapter anew with this release."
_SUFFIXES = frozenset({".json", ".safetensors", ".md", ".txt", ".model", ".jinja"})
"""Forms that cannot carry code; a pickle (.bin, .pt) or a Python file is refused even when listed."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A verified model directory. ``files`` maps relative path to SHA-256, hexadecimal.

    ``letter_tokens``: tokens that a letter may have at most. ``budget``: facts shown at most.
    """

    name: str
    languages: tuple[str, ...]
    prompt_version: str
    prompt_digest: str
    budget: int
    handle_version: str
    handles_digest: str
    licence: str
    synthetic: bool
    letter_tokens: int
    files: Mapping[str, str]

    def digest_of(self, folder: str) -> str:
        """SHA-256 over the folder's file digests (``base``, ``lora``)."""
        lines = sorted(f"{digest}  {path}" for path, digest in self.files.items() if path.startswith(f"{folder}/"))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_manifest(
    directory: Path,
    *,
    name: str,
    languages: Sequence[str] = ("de", "en"),
    licence: str = "Apache-2.0",
    synthetic: bool = True,
    letter_tokens: int = 1024,
    budget: int = DEFAULT_BUDGET,
) -> None:
    """Write the manifest for the files as they are now; an old one is replaced."""
    described = {
        "format": _FORMAT,
        "name": name,
        "languages": list(languages),
        "prompt": {"version": PROMPT_VERSION, "digest": version_digest(), "budget": budget},
        "handles": {"version": HANDLE_VERSION, "digest": handles_digest()},
        "licence": licence,
        "synthetic": synthetic,
        "letter_tokens": letter_tokens,
        "files": {path: _digest(directory / path) for path in _present(directory)},
    }
    (directory / MANIFEST).write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def verify_manifest(directory: Path) -> Manifest:
    """Read the manifest and compare every file with it.

    Raises:
        ModelUnavailable: no directory or manifest, another form, a file missing, added or changed,
            a form that could carry code, or a prompt or handle version that this release does not have.
    """
    manifest = _read(directory)
    present = set(_present(directory))
    for path in sorted(present - set(manifest.files)):
        raise ModelUnavailable(f"{directory / path} is not in {MANIFEST}", remedy=_REMEDY)
    for path, digest in sorted(manifest.files.items()):
        place = PurePosixPath(path)
        if place.is_absolute() or ".." in place.parts or place.suffix not in _SUFFIXES:
            raise ModelUnavailable(f"{MANIFEST} lists {path}, which no model directory may hold", remedy=_REMEDY)
        if path not in present:
            raise ModelUnavailable(f"{directory / path} is missing", remedy=_REMEDY)
        if _digest(directory / path) != digest:
            raise ModelUnavailable(f"{directory / path} differs from its digest in {MANIFEST}", remedy=_REMEDY)
    try:
        here = version_digest(manifest.prompt_version)
    except WrongSetting as fault:
        raise ModelUnavailable(f"{directory / MANIFEST}: {fault.detail}", remedy=_RETRAIN) from None
    if manifest.prompt_digest != here:
        raise ModelUnavailable(
            f"{directory / MANIFEST}: prompt version {manifest.prompt_version} is worded differently here",
            remedy=_RETRAIN,
        )
    if (manifest.handle_version, manifest.handles_digest) != (HANDLE_VERSION, handles_digest()):
        raise ModelUnavailable(
            f"{directory / MANIFEST}: handles {manifest.handle_version} are not this release's {HANDLE_VERSION}",
            remedy=_RETRAIN,
        )
    return manifest


def _read(directory: Path) -> Manifest:
    path = directory / MANIFEST
    if not path.is_file():
        raise ModelUnavailable(f"{path} is missing", remedy=_REMEDY)
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if read["format"] != _FORMAT:
            raise ModelUnavailable(f"{path} has format {read['format']}, not {_FORMAT}", remedy=_REMEDY)
        return Manifest(
            name=str(read["name"]),
            languages=tuple(map(str, read["languages"])),
            prompt_version=str(read["prompt"]["version"]),
            prompt_digest=str(read["prompt"]["digest"]),
            budget=int(read["prompt"]["budget"]),
            handle_version=str(read["handles"]["version"]),
            handles_digest=str(read["handles"]["digest"]),
            licence=str(read["licence"]),
            synthetic=bool(read["synthetic"]),
            letter_tokens=int(read["letter_tokens"]),
            files={str(key): str(value) for key, value in read["files"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ModelUnavailable(f"{path} is not a manifest ({type(fault).__name__})", remedy=_REMEDY) from fault


def _present(directory: Path) -> list[str]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return sorted(path.relative_to(directory).as_posix() for path in files if path != directory / MANIFEST)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as fault:
        raise ModelUnavailable(f"{path} cannot be read ({type(fault).__name__})", remedy=_REMEDY) from fault
