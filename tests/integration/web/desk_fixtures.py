"""A case on a reviewer's desk: real store, real pages over real HTTP, invented patient."""

import contextlib
import copy
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from service.bootstrap import Installation, open_installation
from service.chart import build_chart, chart_payload
from service.chart.bundle import resources_of
from service.config import load_settings
from service.letter import letter_payload, resolve, verification_payload
from service.model import CaseState, DeliveryState, Event, Lang, Posted, RawLetter, WriterInfo
from service.signoff import Desk, open_desk
from service.verify import verify
from service.web.app import create_app
from workers.training.styles import compose
from workers.training.synthetic import SyntheticCase, generate_case

AWAY = "redis://127.0.0.1:1/0"
"""A broker that is not there: the pages work without one."""

WRITER = WriterInfo(base="b" * 64, lora="c" * 64, prompt="d" * 64, handles="e" * 64, tokens=412, seconds=2.5)
HTML = {"Accept": "text/html", "Accept-Language": "de"}


@dataclass(frozen=True, kw_only=True)
class WebDesk:
    """One case open for review. ``http`` has its launch cookie and does not follow redirects."""

    installation: Installation
    root: str
    case_id: str
    told: SyntheticCase
    http: httpx.Client

    @property
    def path(self) -> str:
        return f"/review/{self.case_id}"

    def desk(self) -> Desk:
        return open_desk(self.installation.world, self.case_id)

    def page(self, path: str = "", **headers: str) -> httpx.Response:
        return self.http.get(self.path + path, headers={**HTML, **headers})

    def post(self, path: str, headers: dict[str, str] | None = None, **form: Any) -> httpx.Response:
        """A form as the page would send it, unless ``form`` says otherwise."""
        known = {"form_token": self.form_token(), "revision": str(self.desk().review.revision)}
        return self.http.post(f"{self.path}/{path}", data={**known, **form}, headers=headers or HTML)

    def form_token(self) -> str:
        html = self.page().text
        _, found, rest = html.partition('name="form_token" value="')
        return rest.partition('"')[0] if found else ""

    def section_with(self, words: str) -> int:
        return next(s for s, text in enumerate(self.sections()) if words in text)

    def sections(self) -> list[str]:
        return self.desk().review.text.split("\n\n")

    def plant_wrong_dose(self) -> str:
        """Change a volume's dose by hand; the wrong words."""
        fact = self.desk().chart.get("course.1.volume.1.dose")
        assert fact is not None
        right = fact.display.in_(self.told.lang)
        wrong = right.replace(right.split()[0], "99")
        number = self.section_with(right)
        body = self.sections()[number].replace(right, wrong)
        answer = self.post(f"section/{number}", text=body)
        assert answer.status_code == 303, answer.text
        return wrong

    def sign(self, **form: Any) -> httpx.Response:
        told = {"digest": self.desk().digest, "signer": "Dr. Ada Muster", "attest": "yes"}
        return self.post("sign", **{**told, **form})


@contextlib.contextmanager
def serving(app: ASGIApp, listener: socket.socket | None = None) -> Iterator[str]:
    """Serves on ``listener`` or a free port; yields ``http://127.0.0.1:port``."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the pages did not start"
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()


@contextlib.contextmanager
def opened(home: Path, *, broker: str = AWAY, **settings: Any) -> Iterator[Installation]:
    installation = open_installation(load_settings(home=home, broker={"url": broker}, **settings))
    try:
        yield installation
    finally:
        installation.close()


@contextlib.contextmanager
def a_desk(home: Path, *, lang: Lang = "de", site: str = "breast", seed: int = 7, **wish: Any) -> Iterator[WebDesk]:
    """A drafted case, served. ``wish``: ``bundle`` and ``raw`` as in :func:`put_case`, ``broker``."""
    told = generate_case(seed, lang=lang, site=site)
    with opened(home, broker=wish.pop("broker", AWAY)) as installation:
        case_id = put_case(installation, told, **wish)
        with (
            serving(create_app(installation)) as root,
            httpx.Client(base_url=root, timeout=20, trust_env=False) as http,
        ):
            launch = installation.addresses.token(case_id)
            assert http.get(f"/review/{case_id}", params={"launch": launch}).status_code == 303
            yield WebDesk(installation=installation, root=root, case_id=case_id, told=told, http=http)


def put_case(
    installation: Installation,
    told: SyntheticCase,
    *,
    bundle: dict[str, Any] | None = None,
    letter: RawLetter | None = None,
    drafted: bool = True,
    delivered: bool = True,
) -> str:
    """What the journey up to the inbox would have left in the store; the case's id.

    Not ``delivered``: its delivery waits as a step.
    """
    bundle = bundle or told.bundle
    chart = build_chart([], resources_of(copy.deepcopy(bundle)))
    raw = letter or RawLetter(
        raw=compose(chart, "demonstration", told.lang, Random(told.seed)), lang=told.lang, writer=WRITER
    )
    filled = resolve(raw, chart)
    verification = verify(filled.text, chart, told.lang, spans=filled.spans)
    with installation.store.begin() as tx:
        case = tx.add_case(f"EPIKRISE-SYN|{told.visit_number}", lang=told.lang)
        message, _ = tx.add_message(
            channel="fhir", sender="test", control_id=told.visit_number, body=json.dumps(bundle).encode(), ack_code=None
        )
        tx.file_message(message, case_id=case.id, event=Event.DISCHARGE, event_time="", state="understood")
        tx.put("chart", case.id, 1, chart_payload(chart))
        if drafted:
            tx.put("raw", case.id, 1, asdict(raw))
            tx.put("draft", case.id, 1, letter_payload(filled))
            tx.put("verification", case.id, 1, verification_payload(verification))
        state, delivery = CaseState.DRAFTING, DeliveryState.NONE
        if drafted and delivered:
            state, delivery = CaseState.IN_INBOX, DeliveryState.CONFIRMED
            tx.put("posted", case.id, 1, asdict(Posted(document="DocumentReference/1", task="Task/1")))
        elif drafted:
            state, delivery = CaseState.DRAFTED, DeliveryState.WAITING
            tx.add_step("deliver", "deliver", case_id=case.id, generation=1)
        tx.save_case(replace(case, generation=1, state=state, delivery=delivery))
    return case.id
