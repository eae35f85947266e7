"""The Subscription from the command line, by `doctor` and on the operations page."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fhir_fixtures import SandboxEhr
from intake_service import TOKEN, running_service
from typer.testing import CliRunner

from adapters.sandbox.subscriptions import TOPIC
from service.cli.following import Follower
from service.cli.main import app

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(sandbox_ehr: SandboxEhr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    settings = {
        "HOME": str(tmp_path / "service"),
        "EHR__FHIR_URL": sandbox_ehr.base,
        "EHR__SUBSCRIBE": "backport",
        "EHR__TOPIC": TOPIC,
        "WEB__INTAKE_TOKEN": TOKEN,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"EPIKRISE_{name}", value)

    def call(*words: str) -> tuple[int, Any]:
        answer = CliRunner().invoke(app, [*words, "--json"])
        assert TOKEN not in answer.output
        return answer.exit_code, json.loads(answer.stdout) if answer.stdout.strip() else answer.exception

    return call


def test_it_is_put_on_looked_at_and_taken_off_cleanly(run: Run, sandbox_ehr: SandboxEhr, tmp_path: Path) -> None:
    assert run("subscription", "status")[0] == 1
    monitored = running_service(
        tmp_path / "service", sandbox_ehr.base, subscribe="backport", topic=TOPIC, visit_systems={}
    )
    with monitored as service:
        port = str(service.installation.settings.web.port)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EPIKRISE_WEB__PORT", port)
            code, made = run("subscription", "on")
            assert (code, made["state"]) == (0, "requested")
            sandbox_ehr.settle()
            code, seen = run("subscription", "status")
            assert (code, seen["reference"], seen["state"], seen["events"]) == (0, made["reference"], "active", 0)
            doctor = {row["check"]: row for row in run("doctor")[1]}
            assert (doctor["subscription"]["state"], doctor["ehr"]["state"]) == ("ok", "ok")
            Follower(service.installation).keep_subscription()
            assert service.http.get("/operations.json").json()["subscription"]["state"] == "active"
            assert "FHIR-Subscription" in service.http.get("/operations?lang=de").text

            code, gone = run("subscription", "off")
            assert (code, gone["state"], gone["reference"]) == (0, "removed", "")
            assert sandbox_ehr.count("Subscription") == 0
            (looked,) = (row for row in run("doctor")[1] if row["check"] == "subscription")
            assert looked["detail"] == "removed by an operator"
            assert Follower(service.installation).keep_subscription().state == "removed"
            assert sandbox_ehr.count("Subscription") == 0
            assert run("subscription", "on")[0] == 0
            assert Follower(service.installation).keep_subscription().reference != ""


def test_where_there_is_none_a_sentence_says_so(run: Run) -> None:
    run("subscription", "status")  # its fixture's settings
    answer = CliRunner().invoke(app, ["subscription", "status"])
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "the EHR has no Subscription of ours" in answer.stderr


def test_without_an_installation_the_ehr_is_left_alone(run: Run, sandbox_ehr: SandboxEhr) -> None:
    code, error = run("subscription", "on")
    assert (code, sandbox_ehr.count("Subscription")) == (1, 0)
    assert "no store in" in str(error)


def test_where_none_is_wanted_the_command_says_what_to_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPIKRISE_EHR__SUBSCRIBE", "off")
    code, error = run("subscription", "status")
    assert code == 1
    assert "ehr.subscribe is off" in str(error)
