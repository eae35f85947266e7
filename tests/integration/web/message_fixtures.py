"""Messages of an invented patient in a store, and the message browser over real HTTP."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from desk_fixtures import HTML, opened, serving

from service.bootstrap import Installation
from service.model import AuditEntry
from service.pipeline import run_step
from service.web.app import create_app

TOKEN = "an invented token of 33 letters.."
PRIVATE = ("Beispielmann", "Bertaline", "19610504", "1961-05-04", "P-778899", "F-445566")
"""What the messages say of their patient, in whatever form."""


def adt(trigger: str, control_id: str, *, visit: str = "F-445566", minute: int = 0) -> bytes:
    at = f"202603010{8 + minute // 60}{minute % 60:02}00"
    segments = [
        f"MSH|^~\\&|KIS|ONK|EPIKRISE|RT|{at}||ADT^{trigger}|{control_id}|P|2.5.1|||||DEU|UNICODE UTF-8",
        f"EVN|{trigger}|{at}",
        "PID|1||P-778899^^^KIS^MR||Beispielmann^Bertaline^^^Frau \\T\\ Dr.||19610504|F",
        "|".join(["PV1", "1", "I", "ST1", *[""] * 15, f"{visit}^^^KIS^VN", *[""] * 24, "20260210080000"]),
        "ZBE|1^KIS|20260301080000||INSERT",
    ]
    return "\r".join(segments).encode() + b"\r"


@dataclass(frozen=True, kw_only=True)
class Browser:
    """The pages as an operator has them open. ``http`` keeps cookies and follows no redirect; ``since``: entries of
    the trail that were there before."""

    installation: Installation
    root: str
    http: httpx.Client
    since: int = 0

    def keep(
        self, body: bytes, control_id: str, *, channel: str = "mllp", error_code: str | None = None, waits: bool = True
    ) -> str:
        """``waits``: with the step that reads it, as the listener keeps one."""
        header = body.split(b"|", 9)
        with self.installation.store.begin() as tx:
            message_id, _ = tx.add_message(
                channel=channel,
                sender="KIS|ONK",
                control_id=control_id,
                body=body,
                ack_code={None: "AA", "200": "AR", "201": "AR"}.get(error_code, "AE"),
                state="refused" if error_code else "stored",
                error_code=error_code,
                kind=header[8].decode() if len(header) == 10 else "",
            )
            if waits and error_code is None and channel == "mllp":
                tx.add_step("read", "intake", subject=message_id)
        return message_id

    def work(self) -> None:
        """Read what waits to be read."""
        with self.installation.store.read() as tx:
            waiting = list(tx.due_steps(unrung_for=timedelta(0)))
        for step in waiting:
            if step.name == "read":
                run_step(self.installation.world, step.id)

    def get(self, path: str, lang: str = "en") -> httpx.Response:
        return self.http.get(path, headers={**HTML, "Accept-Language": lang})

    def form_token(self, path: str = "/messages") -> str:
        return self.get(path).text.partition('name="form_token" value="')[2].partition('"')[0]

    def post(self, path: str, **form: Any) -> httpx.Response:
        known = {"form_token": self.form_token()} if "form_token" not in form else {}
        return self.http.post(path, data={**known, **form}, headers={**HTML, "Accept-Language": "en"})

    def log_in(self, name: str = "Ina Technik", token: str = TOKEN, **form: str) -> httpx.Response:
        return self.post("/messages/login", name=name, content_token=token, **form)

    def trail(self) -> list[AuditEntry]:
        with self.installation.store.read() as tx:
            return list(tx.audit_trail())[self.since :]

    def anew(self, http: httpx.Client) -> "Browser":
        """The same service before a person who has just come."""
        return replace(self, http=http, since=self.since + len(self.trail()))


@contextlib.contextmanager
def a_browser(home: Path, **web: str) -> Iterator[Browser]:
    with (
        opened(home, web=web or {"content_token": TOKEN}) as installation,
        serving(create_app(installation)) as root,
        httpx.Client(base_url=root, timeout=20, trust_env=False) as http,
    ):
        yield Browser(installation=installation, root=root, http=http)
