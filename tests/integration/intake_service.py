"""A running service with a real store before the sandbox EHR, as fixtures; conftest makes them known."""

import functools
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from fhir_fixtures import SandboxEhr
from sqlalchemy import select

from adapters.store import SqlStore, migrate
from adapters.store.engine import open_engine, transaction
from adapters.store.tables import messages
from service.bootstrap import Installation, open_installation
from service.config import Settings
from service.errors import StoreUnavailable
from service.model import Case, Step, StoredMessage
from service.pipeline import Outcome, run_step
from service.ports import Transaction
from service.web.app import create_app

TOKEN = "s3cret-of-the-test"


@dataclass
class Bells:
    """A bell that remembers what it was rung for."""

    rung: list[str] = field(default_factory=list)

    def ring(self, steps: Sequence[Step]) -> None:
        self.rung += [step.name for step in steps]

    def check(self) -> None:
        pass

    def unheard(self, queues: Sequence[str]) -> Mapping[str, int]:
        return dict.fromkeys(queues, 0)


@dataclass
class Fragile:
    """A store that can be away."""

    store: SqlStore
    is_away: bool = False

    def begin(self) -> AbstractContextManager[Transaction]:
        if self.is_away:
            raise StoreUnavailable("test")
        return self.store.begin()

    def check(self) -> None:
        self.store.check()


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running service; ``post`` speaks to it over HTTP."""

    installation: Installation
    http: httpx.Client
    bells: Bells
    store: Fragile

    def post(self, path: str, body: Any = b"", **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/fhir+json", **headers}
        return self.http.post(path, content=content, headers=sent)

    def cases(self) -> list[Case]:
        with self.installation.store.read() as tx:
            return list(tx.cases())

    def case(self) -> Case:
        (only,) = self.cases()
        return only

    def kept(self) -> list[StoredMessage]:
        engine = open_engine(self.installation.settings.store_url)
        with transaction(engine, read_only=True) as connection:
            ids = connection.scalars(select(messages.c.id).order_by(messages.c.id)).all()
        engine.dispose()
        with self.installation.store.read() as tx:
            return [tx.message(id_) for id_ in ids]

    def run(self, name: str) -> list[Outcome]:
        """Do the due steps of this name, as a worker would."""
        with self.installation.store.read() as tx:
            due = [step for step in tx.due_steps(unrung_for=timedelta(0)) if step.name == name]
        return [run_step(self.installation.world, step.id) for step in due]


@functools.cache
def _empty_store() -> bytes:
    """A migrated SQLite file: to migrate one for each test would take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        migrate(f"sqlite:///{path}")
        return path.read_bytes()


@contextmanager
def running_service(home: Path, ehr_base: str, **ehr: Any) -> Iterator[Service]:
    """Before this EHR, on a free port, which is also its public address. ``ehr``: more settings of that section."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `epikrise serve` does
    port = listening.getsockname()[1]
    systems = {"KIS": "https://kis.example/fall", "EPIKRISE-SYN": "urn:epikrise:synthetic:visit"}
    settings = Settings.model_validate(
        {
            "home": home,
            "web": {"intake_token": TOKEN, "port": port},
            "broker": {"url": "redis://127.0.0.1:1/0"},
            "ehr": {"fhir_url": ehr_base, "visit_systems": systems, **ehr},
        }
    )
    if not (home / "epikrise.db").exists():
        home.mkdir(parents=True, exist_ok=True)
        (home / "epikrise.db").write_bytes(_empty_store())
    opened = open_installation(settings)
    bells, store = Bells(), Fragile(opened.store)
    installation = replace(opened, world=replace(opened.world, bell=bells, store=store))
    server = uvicorn.Server(uvicorn.Config(create_app(installation), log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the service did not start"
        time.sleep(0.005)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as http:
        yield Service(installation=installation, http=http, bells=bells, store=store)
    server.should_exit = True
    thread.join(20)
    listening.close()
    opened.close()


@pytest.fixture
def service(sandbox_ehr: SandboxEhr, tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path / "service", sandbox_ehr.base) as running:
        yield running
