"""What `epikrise doctor` looks at."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from adapters.keys import open_keyring
from adapters.store import key_ids, open_store
from service.bootstrap import broker_url, ehr_client, now
from service.config import Settings
from service.errors import EpikriseError, WrongSetting
from service.subscriptions import our_subscription
from service.watch import start_a_worker, unattended, unattended_words

Row = dict[str, Any]


def examine(settings: Settings) -> list[Row]:
    """One row a dependency: ``{check, state: ok | warning | failed, detail, remedy, code, exit}``; ``code`` and
    ``exit`` are the error's. Only looks: nothing is created, migrated or repaired."""
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("home", _home),
        ("store", _store),
        ("broker", _broker),
        ("workers", _workers),
        ("ehr", _ehr),
        ("subscription", _subscription),
        ("model", _model),
        ("gpu", _gpu),
    )
    rows: list[Row] = []
    for name, look in checks:
        row: Row = {"check": name, "state": "ok", "detail": "", "remedy": "", "code": "", "exit": 0}
        try:
            row["detail"] = look(settings)
        except _Worth as warning:
            row |= {"state": "warning", "detail": warning.detail, "remedy": warning.remedy}
        except EpikriseError as error:
            row |= {"state": "failed", "detail": str(error), "remedy": error.remedy or _ELSE, "code": error.code}
            row |= {"exit": error.exit_code}
        except OSError as error:
            detail = f"{error.filename}: {error.strerror}"
            row |= {"state": "failed", "detail": detail, "remedy": _OWN_HOME, "code": "system", "exit": 1}
        rows.append(row)
    return rows


def verdict(rows: Sequence[Row]) -> int:
    """The exit code: 3 if a dependency cannot be reached, 1 if one fails otherwise, 0."""
    codes = {row["exit"] for row in rows if row["state"] == "failed"}
    return 3 if 3 in codes else int(bool(codes))


_ELSE = "See `epikrise config check`, and the logs below EPIKRISE_HOME."
_OWN_HOME = "Set EPIKRISE_HOME to a folder that this user owns."


class _Worth(Exception):
    """Worth a word, but nothing fails."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.detail, self.remedy = detail, remedy


class _Broken(EpikriseError):
    """A check failed."""

    code = "check_failed"


def _home(settings: Settings) -> str:
    home = settings.home
    if not home.exists():
        above = next(folder for folder in home.parents if folder.exists())
        if not os.access(above, os.W_OK):
            raise WrongSetting(f"{home} is not there, and {above} cannot be written", remedy=_OWN_HOME)
        raise _Worth(f"{home} is not there yet", "`epikrise serve` makes it.")
    if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
        raise WrongSetting(f"{home} cannot be written", remedy=_OWN_HOME)
    free = shutil.disk_usage(home).free / 2**30
    if free < 2:
        raise _Worth(f"{home}: {free:.1f} GiB free", "Make room; the store must be able to grow.")
    return f"{home}: {free:.0f} GiB free"


def _store(settings: Settings) -> str:
    kind, _, path = settings.store_url.partition(":///")
    # opening a SQLite file or a key folder that is not there would make one
    if kind.startswith("sqlite") and not Path(path).is_file():
        raise _Worth(f"{path} is not there yet", "`epikrise serve` makes it.")
    needed = key_ids(settings.store_url)
    if not needed:
        raise _Worth("the store is empty", "`epikrise serve` makes its tables and keys.")
    store = open_store(settings.store_url, open_keyring(settings.home, needed=needed))
    try:
        store.check()
        with store.read() as tx:
            trail = tx.check_audit()
    finally:
        store.close()
    if not trail.intact:
        raise _Broken(f"audit trail is broken at entry {trail.broken_at}", remedy="Compare it with the newest export.")
    return f"{kind.partition(':')[0]}, audit trail of {trail.entries} entries intact"


def _broker(settings: Settings) -> str:
    from adapters.broker import CeleryBell, make_celery
    from service.pipeline import QUEUES

    bell = CeleryBell(make_celery(broker_url(settings), queues=QUEUES))
    try:
        bell.check()
    finally:
        bell.close()
    return "answers"


def _workers(settings: Settings) -> str:
    kind, _, path = settings.store_url.partition(":///")
    is_there = not kind.startswith("sqlite") or Path(path).is_file()
    needed = key_ids(settings.store_url) if is_there else ()
    if not needed:
        return "nothing waits"
    store = open_store(settings.store_url, open_keyring(settings.home, needed=needed))
    try:
        with store.read() as tx:
            idle = unattended(tx, now())
    finally:
        store.close()
    if idle:
        words = "; ".join(unattended_words(queue, seconds) for queue, seconds in idle.items())
        raise _Worth(words, start_a_worker(",".join(idle)))
    return "no step waits for one"


def _ehr(settings: Settings) -> str:
    client = ehr_client(settings, timeout=min(settings.ehr.timeout_seconds, 5.0))
    if client is None:
        raise _Worth("ehr.fhir_url is not set", "Name the EHR's FHIR address; without it nothing is delivered.")
    with client:
        client.capabilities()
    return "answers"


def _subscription(settings: Settings) -> str:
    from adapters.fhir.subscription import SubscriptionKeeper
    from service.cli.following import wish_of

    ehr = settings.ehr
    if ehr.subscribe == "off":
        return "off" if not ehr.poll_seconds else f"off; the EHR is asked every {ehr.poll_seconds:g} s"
    client = ehr_client(settings, timeout=min(ehr.timeout_seconds, 5.0))
    assert client is not None  # noqa: S101 - config: subscribe needs fhir_url
    with client:
        seen = SubscriptionKeeper(client, wish_of(settings)).look(now())
    if not seen.reference:
        if _is_removed(settings):
            raise _Worth("removed by an operator", "`epikrise subscription on` makes it again.")
        raise _Worth("the EHR has none of ours", "`epikrise serve` makes it, or `epikrise subscription on`.")
    if not seen.is_healthy:
        raise _Broken(f"{seen.reference} is {seen.state}", remedy="`epikrise serve` asks for it again each minute.")
    return f"{seen.reference} is active until {seen.end or 'further notice'}"


def _is_removed(settings: Settings) -> bool:
    from service.cli.following import REMOVED

    kind, _, path = settings.store_url.partition(":///")
    is_there = not kind.startswith("sqlite") or Path(path).is_file()
    needed = key_ids(settings.store_url) if is_there else ()
    if not needed:
        return False
    store = open_store(settings.store_url, open_keyring(settings.home, needed=needed))
    try:
        with store.read() as tx:
            return our_subscription(tx).state == REMOVED
    finally:
        store.close()


def _model(settings: Settings) -> str:
    from workers.app import model_directory
    from workers.writer.manifest import verify_manifest

    directory: Path = model_directory(settings)
    return f"{verify_manifest(directory).name}, digests agree"


def _gpu(_: Settings) -> str:
    if _DRIVER.exists():  # else torch would be loaded, in seconds, to say no
        import torch

        if torch.cuda.is_available():
            return str(torch.cuda.get_device_name(0))
        raise _Worth("torch does not reach it", "Install the build of torch for this machine's CUDA driver.")
    raise _Worth(f"none; {os.cpu_count()} CPU cores", "The demonstration model runs on a CPU; an 8B model needs a GPU.")


_DRIVER = Path("/dev/nvidiactl")
