"""A log line holds a word, a place and safe keys; whatever else is passed never reaches the file."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service import logs
from service.errors import WrongSetting
from service.following import Followed

PATIENT = "Krämer-Vogt"
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _root_logger_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def logged(home: Path) -> list[dict[str, Any]]:
    text = (home / "logs" / "serve.log").read_text(encoding="utf-8")
    assert PATIENT not in text
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_of_ours_is_one_line_of_json_with_its_safe_keys(tmp_path: Path) -> None:
    logs.configure(tmp_path, "serve")

    logging.getLogger("service.pipeline").warning("step_failed", extra={"step": "write", "error": "model_unavailable"})

    (line,) = logged(tmp_path)
    assert (line["event"], line["step"], line["error"], line["level"]) == (
        "step_failed",
        "write",
        "model_unavailable",
        "warning",
    )
    assert line["process"] == "serve"


@pytest.mark.parametrize("key", ["patient", "name", "text", "body", "letter", "key"])
def test_an_unknown_key_is_dropped(tmp_path: Path, key: str) -> None:
    logs.configure(tmp_path, "serve")

    logging.getLogger("service.steps").info("step_done", extra={f"the_{key}": PATIENT, "reason": [PATIENT]})

    assert logged(tmp_path)[0]["event"] == "step_done"


def test_a_long_value_under_a_safe_key_is_dropped(tmp_path: Path) -> None:
    logs.configure(tmp_path, "serve")

    logging.getLogger("service.steps").info("step_done", extra={"reason": f"{PATIENT} " * 50})

    assert "reason" not in logged(tmp_path)[0]


@pytest.mark.parametrize(
    "name", ["httpx", "sqlalchemy.engine", "celery.worker", "service.steps", "adapters.fhir.client"]
)
@pytest.mark.parametrize("arguments", [("GET https://ehr/Patient?name=%s", PATIENT), (f"visit of {PATIENT}",)])
def test_a_sentence_is_never_written_whoever_says_it(tmp_path: Path, name: str, arguments: tuple[str, ...]) -> None:
    logs.configure(tmp_path, "serve")

    logging.getLogger(name).error(*arguments)

    assert logged(tmp_path)[0]["event"] == "foreign_message"


def words_logged_by_us() -> Iterator[tuple[str, str]]:
    """Place, and first argument where it is a constant, of each call of a logger of ours."""
    for package in ("service", "adapters", "workers"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                speaker = node.func.value
                if isinstance(speaker, ast.Name) and speaker.id in ("log", "_log") and node.args:
                    said = node.args[0]
                    yield f"{file.name}:{node.lineno}", str(said.value) if isinstance(said, ast.Constant) else ""


def test_every_event_of_ours_is_a_word_that_reaches_the_file() -> None:
    spoken = dict(words_logged_by_us())
    assert len(spoken) > 20
    assert {place: said for place, said in spoken.items() if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", said)} == {}


def test_what_following_warns_of_can_be_read_in_the_log(tmp_path: Path) -> None:
    logs.configure(tmp_path, "serve")

    Followed().warn("Subscription.status is off")

    (line,) = logged(tmp_path)
    assert (line["event"], line["reason"]) == ("fhir_notification", "Subscription.status is off")


def test_an_exception_is_its_class_alone(tmp_path: Path) -> None:
    logs.configure(tmp_path, "serve")
    try:
        int(PATIENT)  # its message quotes what it was given
    except ValueError:
        logging.getLogger("service.steps").exception("step_unexpected")

    assert logged(tmp_path)[0]["error"] == "ValueError"


def test_a_warning_of_a_library_is_not_quoted(tmp_path: Path) -> None:
    import warnings

    logs.configure(tmp_path, "serve")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(PATIENT, stacklevel=1)

    assert [line["event"] for line in logged(tmp_path)] == ["foreign_message"]


def test_a_home_that_cannot_hold_logs_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(WrongSetting, match="EPIKRISE_HOME"):
        logs.configure(tmp_path / "file", "serve")
