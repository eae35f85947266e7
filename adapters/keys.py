"""The keys under which the store lies encrypted, and the only code that touches them.

Files in ``<home>/keys/`` (directory 0700, files 0600), each 256 random bits as hexadecimal text:

``seal.<created>.<id>.key``
    AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. Several may lie side by side: the newest
    seals, all open, so that a rotation needs no moment at which everything is rewritten. One key seals
    at most 2**32 values (section 8.3); at a thousand a second that is 50 days of ceaseless sealing, so
    rotate yearly and be far away from it.
``lookup.<created>.<id>.key``
    HMAC-SHA256 (RFC 2104) for what must be found again without being readable: case keys, duplicates.
    Kept apart from the sealing keys because exchanging it means computing every look-up anew.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.errors import KeyMissing, WrongSetting

_FORM = b"\x01"  # of a sealed value: form, key id (4 bytes), nonce (12), ciphertext and tag
_ID = 4
_NONCE = 12
_BLOCK = 64  # of SHA-256; a longer key would have to be hashed first, and ours has 32 bytes
_HEADER = len(_FORM) + _ID

_RESTORE = "restore the keys folder from its backup; without the key the store cannot be read"


@dataclass(frozen=True, kw_only=True)
class _SealingKey:
    id: str
    cipher: AESGCM = field(repr=False)


class KeyRing:
    """Seals and opens payloads, and hashes what must be found again. Safe to share between threads."""

    def __init__(self, *, sealing: Sequence[tuple[str, bytes]], lookup: tuple[str, bytes]) -> None:
        """``sealing``: (id, 32 bytes), oldest first; ids are 8 hexadecimal digits."""
        self._sealing = {id_: _SealingKey(id=id_, cipher=AESGCM(key)) for id_, key in sealing}
        self._newest = self._sealing[sealing[-1][0]]
        self._header = _FORM + bytes.fromhex(self._newest.id)
        self._lookup_id, key = lookup
        # RFC 2104 by its definition, the padded key hashed once: the library's one-shot call gives the interpreter's
        # lock away each time, which costs intake more than the hash
        padded = key.ljust(_BLOCK, b"\x00")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def __repr__(self) -> str:
        return f"KeyRing(ids={self.ids!r})"

    @property
    def ids(self) -> tuple[str, ...]:
        """Every key the ring holds. A store notes them, to refuse a ring that lacks one."""
        return (*self._sealing, self._lookup_id)

    def seal(self, plaintext: bytes, aad: str) -> bytes:
        """``aad`` says what and where the value is (``message/<id>/body``): a value moved to another row or
        column no longer opens."""
        nonce = os.urandom(_NONCE)
        header = self._header
        return b"%b%b%b" % (header, nonce, self._newest.cipher.encrypt(nonce, plaintext, header + aad.encode()))

    def open(self, sealed: bytes, aad: str) -> bytes:
        """Raises KeyMissing if the key is not there, or if the value was damaged or moved."""
        header, nonce = sealed[:_HEADER], sealed[_HEADER : _HEADER + _NONCE]
        id_ = header[len(_FORM) :].hex()
        key = self._sealing.get(id_)
        if header[: len(_FORM)] != _FORM or key is None:
            raise KeyMissing(f"key {id_ or 'without id'} for {aad}", remedy=_RESTORE)
        try:
            return key.cipher.decrypt(nonce, sealed[_HEADER + _NONCE :], header + aad.encode())
        except InvalidTag:
            raise KeyMissing(
                f"{aad} does not open under key {id_}: damaged, or moved from another row",
                remedy="restore this row from a backup of the store",
            ) from None

    def lookup(self, text: str | bytes, *, purpose: str) -> str:
        """HMAC-SHA256 as 64 hexadecimal digits. Equal text under another ``purpose`` gives another value."""
        # surrogatepass: a control id decoded leniently may hold lone surrogates, and must still be found
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        inner = self._inner.copy()
        inner.update(b"%b\x00" % purpose.encode())
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


def open_keyring(home: Path, *, needed: Collection[str] = ()) -> KeyRing:
    """The ring of an installation; its first keys are made where there are none.

    ``needed``: key ids that the store's data names (:func:`adapters.store.key_ids`). With one of them
    absent this raises KeyMissing and makes nothing: a fresh key beside unreadable data would look like
    health. Raises WrongSetting where others may read a key or the folder cannot be written.
    """
    folder = home / "keys"
    try:
        sealing, lookup = _read(folder, "seal"), _read(folder, "lookup")
        absent = sorted(set(needed) - {id_ for id_, _ in (*sealing, *lookup)})
        if absent:
            raise KeyMissing(f"{', '.join(absent)} in {folder}", remedy=_RESTORE)
        if not (sealing and lookup):  # a complete folder may be mounted read-only: no lock is taken then
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone_in(folder):
                sealing = _read(folder, "seal") or [_make(folder, "seal")]
                lookup = _read(folder, "lookup") or [_make(folder, "lookup")]
    except OSError as error:
        raise WrongSetting(
            f"{folder}: {error.strerror}", remedy="let this user own EPIKRISE_HOME and its keys folder"
        ) from None
    return KeyRing(sealing=sealing, lookup=lookup[-1])


def add_sealing_key(home: Path) -> str:
    """Rotate: a new key that seals from the next start on; the former ones keep opening. Returns its id."""
    folder = home / "keys"
    with _alone_in(folder):
        return _make(folder, "seal")[0]


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Service and worker may both start first; only one may make the keys."""
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(folder: Path, purpose: str) -> list[tuple[str, bytes]]:
    keys = []
    for path in sorted(folder.glob(f"{purpose}.*.key")):
        if path.stat().st_mode & 0o027:  # group may read: a mounted secret is root's with the group of the service
            raise WrongSetting(f"{path} is open to other users", remedy=f"chmod 600 {path}")
        id_ = path.name.split(".")[-2]
        try:
            key, id_length = bytes.fromhex(path.read_text().strip()), len(bytes.fromhex(id_))
        except ValueError:
            key, id_length = b"", 0
        if len(key) != 32 or id_length != _ID:
            raise KeyMissing(f"{path} is damaged: not 64 hexadecimal digits", remedy=_RESTORE)
        keys.append((id_, key))
    return keys


def _make(folder: Path, purpose: str) -> tuple[str, bytes]:
    """Written beside, flushed, then renamed: a crash leaves no half key, and no sealed value without one."""
    id_, key = secrets.token_hex(_ID), secrets.token_bytes(32)
    created = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    path = folder / f"{purpose}.{created}.{id_}.key"
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    directory = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return id_, key
