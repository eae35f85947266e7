"""What an operator copies and types: units, compose file, example settings, documents."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import BaseModel

from service.cli.main import app
from service.config import Settings, load_settings
from service.pipeline import QUEUES

ROOT = Path(__file__).parents[2]
DEPLOY, DOCS = ROOT / "deploy", ROOT / "docs"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PAGES = [DOCS / "how-to" / "install.md", DOCS / "how-to" / "operate.md"]


def leaves() -> dict[str, Any]:
    """Every setting with its default."""
    return {
        f"{section}.{key}": leaf.get_default(call_default_factory=True)
        for section, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for key, leaf in field.annotation.model_fields.items()
    }


def commands() -> dict[str, Any]:
    """``case show`` to its click command."""

    def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        if not hasattr(command, "commands"):
            yield path, command
            return
        for name, below in command.commands.items():
            yield from walk(below, f"{path} {name}".strip())

    return dict(walk(typer.main.get_command(app), ""))


def parses(line: str) -> bool:
    """Whether the words after ``epikrise`` name a command and only options that it has."""
    words = line.split()
    known = commands()
    name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in known), None)
    if name is None:
        return False
    options = {option for parameter in known[name].params for option in parameter.opts} | {"--help"}
    return {word.split("=")[0] for word in words if word.startswith("--")} <= options


def queues_of(line: str) -> set[str]:
    found = re.search(r"--queue[ =]([a-z,]+)", line)
    return set(found[1].split(",")) if found else set()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return read


# ---------------------------------------------------------------- compose


def test_compose_runs_service_workers_redis_and_postgres_each_with_a_health_check(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"service", "worker", "writer", "redis", "postgres"}
    assert all("test" in service["healthcheck"] for service in compose["services"].values())


def test_compose_commands_exist_and_their_queues_are_all_served(compose: dict[str, Any]) -> None:
    lines = [" ".join(compose["services"][name]["command"]) for name in ("service", "worker", "writer")]

    assert all(parses(line) for line in lines), lines
    assert set().union(*map(queues_of, lines)) == set(QUEUES)


@pytest.mark.parametrize("name", ["worker", "writer"])
def test_compose_looks_for_the_sign_of_life_of_the_queues_it_starts(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    queues = re.search(r"--queue ([a-z,]+)", " ".join(service["command"]))
    assert queues is not None

    assert f"/run/worker-{queues[1].replace(',', '-')}.ready" in " ".join(service["healthcheck"]["test"])


def test_compose_asks_for_a_gpu_for_the_writer_alone(compose: dict[str, Any]) -> None:
    devices = compose["services"]["writer"]["deploy"]["resources"]["reservations"]["devices"]

    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert [name for name, service in compose["services"].items() if "deploy" in service] == ["writer"]


def test_compose_lets_no_container_write_its_root_or_gain_rights(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]


def test_compose_names_only_settings_that_exist_and_holds_no_secret(compose: dict[str, Any]) -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    names = re.findall(r"EPIKRISE_([A-Z]+)__([A-Z_]+)", text)

    assert {f"{section}.{key}".lower() for section, key in names} <= set(leaves())
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not re.search(r"password|token|secret", name, re.IGNORECASE) or name.endswith("_FILE")
            assert "@" not in value


def test_compose_is_what_docker_reads(tmp_path: Path) -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode
    ):
        pytest.skip("docker compose is not on this machine; the compose file was read as YAML only")
    shutil.copy(DEPLOY / "compose.yaml", tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "epikrise.env").write_text("")
    (tmp_path / "secrets" / "postgres_password").write_text("x")

    checked = subprocess.run(
        ["docker", "compose", "-f", str(tmp_path / "compose.yaml"), "config", "-q"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


def test_the_image_copies_what_is_there_and_runs_as_nobody_special() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = {word for line in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE) for word in line.split()}

    assert copied
    assert all((ROOT / name).exists() for name in copied)
    assert copied == allowed
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


# ---------------------------------------------------------------- systemd


def settings_of(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def test_there_is_a_unit_for_the_service_the_worker_and_the_gpu_worker() -> None:
    assert [unit.name for unit in UNITS] == ["epikrise-worker.service", "epikrise-writer.service", "epikrise.service"]


def test_the_units_commands_exist_and_their_queues_are_all_served() -> None:
    lines = [
        line.removeprefix("/opt/epikrise/bin/epikrise ") for unit in UNITS for line in settings_of(unit, "ExecStart")
    ]

    assert all(parses(line) for line in lines), lines
    assert set().union(*map(queues_of, lines)) == set(QUEUES)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_confined_and_keeps_its_secrets_out_of_sight(unit: Path) -> None:
    wanted = {
        "User": "epikrise",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "StateDirectoryMode": "0700",
        "CapabilityBoundingSet": "",
        "EnvironmentFile": "-/etc/epikrise/epikrise.env",
    }

    assert {key: settings_of(unit, key) for key in wanted} == {key: [value] for key, value in wanted.items()}
    assert not re.search(r"(?i)(password|token)=", unit.read_text(encoding="utf-8"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong_with_a_unit(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine; the units were read as text only")
    program = tmp_path / "epikrise"  # it looks for the program, which is not installed here
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copied = tmp_path / unit.name
    copied.write_text(unit.read_text(encoding="utf-8").replace("/opt/epikrise/bin/epikrise", str(program)))

    checked = subprocess.run(
        ["systemd-analyze", "verify", str(copied)], check=False, capture_output=True, text=True, timeout=60
    )

    told = [line for line in checked.stderr.splitlines() if unit.name in line]
    assert (checked.returncode, told) == (0, []), checked.stderr


# ---------------------------------------------------------------- settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EPIKRISE_HOME", str(tmp_path))
    return tmp_path


def test_the_example_settings_change_nothing_as_they_stand(home: Path) -> None:
    defaults = load_settings()
    shutil.copy(DEPLOY / "epikrise.toml.example", home / "epikrise.toml")

    assert load_settings() == defaults


def test_the_example_settings_hold_every_setting_and_load_with_each_filled_in(home: Path) -> None:
    text = (DEPLOY / "epikrise.toml.example").read_text(encoding="utf-8")
    filled = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    (home / "epikrise.toml").write_text(filled, encoding="utf-8")

    held = {f"{section}.{key}" for section, keys in tomllib.loads(filled).items() for key in keys}
    assert held == set(leaves())
    assert load_settings().ehr.visit_systems


def test_the_settings_page_lists_every_setting_with_its_default() -> None:
    page = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+\.\w+)` \| (.*?) \|", page, re.MULTILINE))

    assert listed == {name: "—" if value is None else f"`{value}`" for name, value in leaves().items()}


# ---------------------------------------------------------------- documents


def test_the_command_line_page_has_every_command_with_every_option() -> None:
    page = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `epikrise ([a-z -]+)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))

    assert set(sections) == set(commands())
    for name, command in commands().items():
        options = {p.opts[0] for p in command.params if p.param_type_name == "option" and p.name != "help"}
        assert set(re.findall(r"^\| `(--[a-z-]+)`", sections[name], re.MULTILINE)) == options, name


def typed(page: Path) -> list[str]:
    """Each ``epikrise …`` of a page as an operator types it."""
    text = page.read_text(encoding="utf-8")
    inline = re.findall(r"`(?:[^`\n]*/)?epikrise ([a-z][^`\n]*)`", text)
    blocks = re.findall(
        r"^\s*(?:\S*/)?epikrise ([a-z].*)$", "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)), re.MULTILINE
    )
    return [*inline, *blocks]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    found = typed(page)

    assert len(found) >= 4
    assert [line for line in found if not parses(line)] == []


@pytest.mark.parametrize("name", sorted({line for page in PAGES for line in typed(page)}))
def test_the_help_of_a_command_that_a_page_names_is_shown(name: str) -> None:
    from typer.testing import CliRunner

    words = name.split()
    path = words[:2] if " ".join(words[:2]) in commands() else words[:1]
    shown = CliRunner().invoke(app, [*path, "--help"])

    assert shown.exit_code == 0
    assert "Usage:" in shown.output


@pytest.mark.parametrize("page", [*PAGES, *sorted((DOCS / "reference").glob("*.md"))], ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_the_codes_that_the_operators_page_explains_are_those_of_our_errors() -> None:
    from service import errors, steps

    known = {
        each.code for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.EpikriseError)
    } | {steps.CONTROL_ID_REUSED, steps.DEPARTMENT_UNKNOWN, steps.MERGE_WITHOUT_PRIOR, steps.SEVERAL_PATIENTS}
    first_columns = re.findall(
        r"^\| ([^|]+) \|", (DOCS / "how-to" / "operate.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    told = {code for cell in first_columns for code in re.findall(r"`([a-z]+_[a-z]+)`", cell)}

    assert told <= known


def test_set_up_leaves_stdout_to_what_it_is_made_for(tmp_path: Path) -> None:
    """``make demo ARGS="--once --json" > case.json`` on a fresh machine must be JSON from its first byte on."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho pip talks on stdout\n", encoding="utf-8")
    python.chmod(0o755)

    ended = subprocess.run(
        ["bash", str(DEPLOY / "setup" / "install.sh"), "requirements.lock"],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable, "VENV": str(tmp_path / "venv")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout == ""
    assert "pip talks on stdout" in ended.stderr
    assert "setup: done" in ended.stderr
