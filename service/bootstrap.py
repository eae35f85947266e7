"""The only wiring: settings in, a world out."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from celery import Celery

from adapters.broker import CeleryBell, make_celery
from adapters.fhir.auth import BackendServices, load_client_keys
from adapters.fhir.chart_source import FhirChartSource
from adapters.fhir.client import FhirClient
from adapters.fhir.inbox import FhirInbox
from adapters.hl7.message import read_message
from adapters.keys import KeyRing, open_keyring
from adapters.store import SqlStore, key_ids, migrate, open_store
from service.chart import open_mapping
from service.config import Settings
from service.errors import BrokerUnavailable, WrongSetting
from service.launch import LaunchAddresses
from service.pipeline import QUEUES, relay
from service.ports import Writer
from service.world import Rules, World

BROKER_FILE = Path("run") / "broker"
"""Where `serve` leaves the address of the Redis it started, for the workers of the same home (0600)."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Everything one process holds open."""

    settings: Settings
    world: World
    store: SqlStore
    bell: CeleryBell
    celery: Celery
    keyring: KeyRing
    addresses: LaunchAddresses
    ehr: FhirClient | None
    started: datetime

    def with_writer(self, writer: Writer) -> "Installation":
        return replace(self, world=replace(self.world, writer=writer))

    def ring(self) -> None:
        """Relay what a transaction of ours has just started."""
        relay(self.world)

    def close(self) -> None:
        if self.ehr is not None:
            self.ehr.close()
        self.bell.close()
        self.store.close()


def now() -> datetime:
    return datetime.now(UTC)


def open_installation(settings: Settings, *, clock: Callable[[], datetime] = now) -> Installation:
    """Open store (migrated first), keys, broker and EHR as the settings say.

    Raises:
        WrongSetting, StoreUnavailable, KeyMissing, BrokerUnavailable (no broker is known).
    """
    mapping = open_mapping(settings.chart.obx_mapping)
    keyring, store = open_sealed_store(settings, clock=clock)
    celery = make_celery(broker_url(settings), queues=QUEUES)
    bell = CeleryBell(celery)
    addresses = LaunchAddresses(public_url=settings.public_url, secret=keyring.lookup("launch", purpose="launch"))
    ehr = ehr_client(settings)
    journey = settings.journey
    world = World(
        store=store,
        bell=bell,
        reader=read_message,
        clock=clock,
        rules=Rules(
            lang=settings.letter.language,
            authorities=settings.ehr.authorities,
            local=settings.hl7.zone,
            lease=timedelta(seconds=journey.lease_seconds),
            retry_base=timedelta(seconds=journey.retry_base_seconds),
            ring_again=timedelta(seconds=journey.ring_again_seconds),
            review_url=addresses.review,
            mapping=mapping,
            starts=settings.letter.starts,
        ),
        chart_source=FhirChartSource(ehr, visit_systems=settings.ehr.visit_systems) if ehr else None,
        inbox=FhirInbox(ehr) if ehr else None,
    )
    return Installation(
        settings=settings,
        world=world,
        store=store,
        bell=bell,
        celery=celery,
        keyring=keyring,
        addresses=addresses,
        ehr=ehr,
        started=clock(),
    )


def open_sealed_store(settings: Settings, *, clock: Callable[[], datetime] = now) -> tuple[KeyRing, SqlStore]:
    """The store alone, for commands that need no broker."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise WrongSetting(
            f"{settings.home}: {error.strerror}", remedy="Set EPIKRISE_HOME to a folder you own."
        ) from None
    migrate(settings.store_url)
    keyring = open_keyring(settings.home, needed=key_ids(settings.store_url))
    return keyring, open_store(settings.store_url, keyring, clock=clock)


def open_existing_store(settings: Settings) -> tuple[KeyRing, SqlStore]:
    """The store of an installation, for commands that would be misled by a new and empty one.

    Raises:
        WrongSetting: there is no store; nothing is made.
    """
    kind, _, path = settings.store_url.partition(":///")
    is_missing = kind.startswith("sqlite") and not Path(path).is_file()
    if is_missing or not key_ids(settings.store_url):
        place = settings.home if settings.store.url is None else "store.url"
        raise WrongSetting(
            f"no store in {place}",
            remedy="Set EPIKRISE_HOME, or store.url, to that of your installation; `epikrise serve` makes a new one.",
        )
    return open_sealed_store(settings)


def broker_url(settings: Settings) -> str:
    """The broker of the settings, else the one that `serve` runs in this home."""
    if settings.broker.url is not None:
        return settings.broker.url.get_secret_value()
    try:
        return (settings.home / BROKER_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        raise BrokerUnavailable(
            "broker.url is not set and no `epikrise serve` runs one here", remedy="Start `epikrise serve` first."
        ) from None


def leave_broker_url(settings: Settings, url: str) -> None:
    file = settings.home / BROKER_FILE
    file.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(url)


def ehr_client(settings: Settings, *, timeout: float | None = None) -> FhirClient | None:
    """The EHR of the settings, None where none is named. ``timeout`` in seconds, else that of the settings.

    Raises:
        WrongSetting: ehr.client_key cannot be read, or is no key that SMART takes.
    """
    ehr = settings.ehr
    if ehr.fhir_url is None:
        return None
    seconds = ehr.timeout_seconds if timeout is None else timeout
    token = ehr.token.get_secret_value() if ehr.token and ehr.client_id is None else None
    auth = None
    if ehr.client_id is not None and ehr.client_key is not None:
        auth = BackendServices(
            base_url=ehr.fhir_url,
            client_id=ehr.client_id,
            key=load_client_keys(ehr.client_key)[0],
            scope=ehr.scope,
            token_url=ehr.token_url,
            timeout=seconds,
        )
    return FhirClient(ehr.fhir_url, token=token, auth=auth, timeout=seconds)
