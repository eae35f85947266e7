"""The processes of the demonstration, and one case played on them.

Everything is what a hospital would run: the service, two workers, a Redis and a store; only the EHR
is ours too, as a separate process that hears nothing but FHIR.
"""

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from adapters.fhir.client import FhirClient
from adapters.hl7.mllp_client import send
from adapters.redis_server import die_with_parent
from adapters.store import SqlStore
from service.bootstrap import open_sealed_store
from service.cli.output import console, say
from service.config import Settings
from service.errors import EpikriseError, Unreachable
from service.letter import letter_from_payload, span_payloads, verification_from_payload, verification_report
from service.model import CaseState, Lang, Step, StepState
from workers.training.synthetic import SyntheticCase

VISIT_AUTHORITY = "EPIKRISE-SYN"
VISIT_SYSTEM = "urn:epikrise:synthetic:visit"
_STEPS = ("chart", "write", "check", "deliver")
_PATIENCE = 300.0  # s; a cold start on two slow cores takes a tenth of it


class DemonstrationFailed(EpikriseError):
    """The demonstration did not reach the inbox."""

    code = "demonstration_failed"
    exit_code = 3


@dataclass(frozen=True, kw_only=True)
class Report:
    """What ``demo --json`` prints."""

    case: str
    patient: dict[str, str]
    stages: list[dict[str, Any]]
    letter: str
    spans: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    inbox: dict[str, Any]
    urls: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(kw_only=True)
class Stage:
    """The running processes."""

    settings: Settings
    ehr_url: str
    web_port: int
    mllp_port: int
    store: SqlStore
    commands: dict[str, Sequence[str]]
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, *, lang: Lang) -> Iterator["Stage"]:
        """Start everything; stop it in the reverse order."""
        home = settings.home
        (home / "sandbox").mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "logs").mkdir(mode=0o700, exist_ok=True)
        ehr_port, web_port, mllp_port = _free_port(), _free_port(), _free_port()
        ehr_url = f"http://127.0.0.1:{ehr_port}"
        _, store = open_sealed_store(settings)
        stage = cls(
            settings=settings,
            ehr_url=ehr_url,
            web_port=web_port,
            mllp_port=mllp_port,
            store=store,
            commands={
                "sandbox EHR": ["adapters.sandbox", "--home", str(home / "sandbox"), "--port", str(ehr_port)],
                "service": ["service.cli", "serve"],
                "worker": ["service.cli", "worker", "--queue", "intake,check,deliver"],
                "writer": ["service.cli", "worker", "--queue", "write"],
            },
            environment={
                **os.environ,
                "EPIKRISE_HOME": str(home),
                "EPIKRISE_EHR__FHIR_URL": f"{ehr_url}/fhir",
                "EPIKRISE_EHR__VISIT_SYSTEMS": f'{{"{VISIT_AUTHORITY}" = "{VISIT_SYSTEM}"}}',
                "EPIKRISE_WEB__PORT": str(web_port),
                "EPIKRISE_MLLP__PORT": str(mllp_port),
                "EPIKRISE_LETTER__LANGUAGE": lang,
                "EPIKRISE_JOURNEY__SWEEP_SECONDS": "1",
            },
        )
        try:
            for name in stage.commands:
                stage.start(name)
            yield stage
        finally:
            for process in reversed(stage.processes.values()):
                _stop(process)
            store.close()

    def start(self, name: str) -> None:
        """Start a process that never ran or has ended; returns when it can be used, but for the writer's model.

        Raises:
            DemonstrationFailed: it ended at once, or is not ready after a minute.
        """
        log = self._log(name)
        with log.open("ab") as stream:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *self.commands[name]],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,  # Ctrl-C is ours to pass on, in order
                preexec_fn=die_with_parent(),  # noqa: PLW1509  # one system call, prepared before the fork
            )
        if name == "sandbox EHR":
            self._wait_for(f"{self.ehr_url}/fhir/metadata", name)
        elif name == "service":
            self._wait_for(f"{self.web_url}/readyz", name)

    def kill(self, name: str) -> None:
        """SIGKILL, as the kernel does when memory runs out."""
        self.processes[name].kill()
        self.processes[name].wait()

    @property
    def web_url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def play(self, case: SyntheticCase) -> Report:
        """Send the case's messages and follow it to the inbox.

        Raises:
            DemonstrationFailed: it did not arrive; names the stage and the log to read.
        """
        with FhirClient(f"{self.ehr_url}/fhir") as ehr, _progress() as progress:
            task = progress.add_task("the EHR gets the invented chart", total=len(_STEPS) + 3)
            _load_chart(self.ehr_url, case.bundle)
            progress.update(task, advance=1, description="HL7 v2 over MLLP")
            for ack in send(case.messages, "127.0.0.1", self.mllp_port, timeout=30.0):
                if ack.code != "AA":
                    raise DemonstrationFailed(f"the listener answered {ack.code}", remedy="Read logs/serve.log.")
            progress.update(task, advance=1)
            case_id = self._follow(case, progress, task)
            return self._report(case, case_id, ehr)

    def wait(self) -> None:
        """Until Ctrl-C, or until one of the processes ends."""
        try:
            while True:
                self._look_alive()
                time.sleep(0.5)
        except KeyboardInterrupt:
            say("")

    def _follow(self, case: SyntheticCase, progress: Progress, task: Any) -> str:
        key = f"{VISIT_AUTHORITY}|{case.visit_number}"
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self._look_alive()
            with self.store.read() as tx:
                found = tx.case_by_key(key)
                steps = tx.steps_of(found.id) if found else []
            done = {step.name for step in steps if step.state is StepState.DONE}
            progress.update(
                task, completed=2 + len(done & set(_STEPS)) + (1 if found else 0), description=_doing(steps)
            )
            if found and found.state in (CaseState.IN_INBOX, CaseState.IN_REVIEW, CaseState.SIGNED):
                progress.update(task, completed=len(_STEPS) + 3, description="in the inbox")
                return found.id
            if found and found.state in (CaseState.FAILED, CaseState.HELD):
                bad = next((step for step in steps if step.state is StepState.DEAD), None)
                why = f"{bad.name}: {bad.error_text}" if bad else ", ".join(found.notices)
                raise DemonstrationFailed(why, remedy=f"Read the logs in {self.settings.home / 'logs'}.")
            time.sleep(0.1)
        raise DemonstrationFailed(
            f"no draft after {_PATIENCE:.0f} s", remedy=f"Read the logs in {self.settings.home / 'logs'}."
        )

    def _report(self, case: SyntheticCase, case_id: str, ehr: FhirClient) -> Report:
        with self.store.read() as tx:
            steps = tx.steps_of(case_id)
            draft, verification = tx.get("draft", case_id), tx.get("verification", case_id)
            posted = tx.get("posted", case_id)
        if draft is None or verification is None or posted is None:
            raise DemonstrationFailed("the case says it is in the inbox, but its draft is not here")
        document, inbox_task = ehr.read(posted["document"]), ehr.read(posted["task"])
        letter = letter_from_payload(draft)
        text = base64.b64decode(document["content"][0]["attachment"]["data"]).decode()
        review = _review_address(inbox_task)
        return Report(
            case=case_id,
            patient={"family": case.family, "given": case.given},
            stages=[
                {"name": step.name, "seconds": round((step.finished_at - step.started_at).total_seconds(), 3)}
                for step in sorted(steps, key=lambda each: each.created_at)
                if step.finished_at and step.started_at and step.state is StepState.DONE
            ],
            letter=text,
            spans=span_payloads(letter.spans),
            findings=verification_report(verification_from_payload(verification), letter.lang)["findings"],
            inbox={"documentReference": document, "task": inbox_task},
            urls={
                "inbox": f"{self.ehr_url}/inbox",
                "review": review,
                "operations": f"{self.web_url}/operations",
                "fhir": f"{self.ehr_url}/fhir",
            },
        )

    def _wait_for(self, url: str, name: str) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self._look_alive(name)
            try:
                if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise DemonstrationFailed(f"the {name} is not ready", remedy=f"Read {self._log(name)}.")

    def _log(self, name: str) -> Path:
        return self.settings.home / "logs" / f"{name.replace(' ', '-')}.out"

    def _look_alive(self, *names: str) -> None:
        for name in names or self.processes:
            process = self.processes[name]
            if process.poll() is not None:
                raise DemonstrationFailed(
                    f"the {name} ended with {process.returncode}", remedy=f"Read {self._log(name)}."
                )


def _doing(steps: Any) -> str:
    words = {
        "chart": "chart being built",
        "write": "the model writes (it is loaded first)",
        "check": "letter against chart",
        "deliver": "to the EHR's inbox",
    }
    live: list[Step] = [step for step in steps if step.state is not StepState.DONE]
    return words.get(live[-1].name, live[-1].name) if live else "the message is being read"


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<40}"), BarColumn(), TimeElapsedColumn(), console=console, transient=False
    )


def _load_chart(ehr_url: str, bundle: dict[str, Any]) -> None:
    try:
        answer = httpx.post(f"{ehr_url}/fhir", json=bundle, timeout=30, trust_env=False)
    except httpx.HTTPError as error:
        raise Unreachable(f"sandbox EHR: {type(error).__name__}") from None
    if answer.status_code >= 300:
        raise DemonstrationFailed(f"the sandbox EHR refused the chart with {answer.status_code}")


def _review_address(task: dict[str, Any]) -> str:
    for entry in task.get("input", []):
        if isinstance(entry.get("valueUrl"), str):
            return str(entry["valueUrl"])
    return ""


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=25)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
