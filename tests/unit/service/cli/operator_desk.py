"""An operator at the command line: the console script's own entry, in this process, on a home of its own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.store import SqlStore
from service.bootstrap import open_sealed_store
from service.cli.main import run
from service.config import load_settings
from service.model import Case, Step

KEY = "KIS|V-2026-4711"
"""A case key; it must never be printed."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Operator = Callable[..., Answer]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EPIKRISE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def epikrise(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Operator:
    """``epikrise("case", "list", "--json")`` gives exit code, stdout and stderr."""

    def call(*arguments: str) -> Answer:
        monkeypatch.setattr("sys.argv", ["epikrise", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        read = capsys.readouterr()
        assert "Traceback" not in read.err
        code = ended.value.code
        return Answer(code=code if isinstance(code, int) else int(code is not None), out=read.out, err=read.err)

    return call


@pytest.fixture
def store(home: Path) -> Iterator[SqlStore]:
    _, opened = open_sealed_store(load_settings())
    yield opened
    opened.close()


def a_case(store: SqlStore, *, key: str = KEY) -> Case:
    with store.begin() as tx:
        return tx.add_case(key, lang="de")


def a_dead_step(store: SqlStore, case: Case, *, name: str = "write", queue: str = "write") -> Step:
    from datetime import timedelta

    with store.begin() as tx:
        step = tx.add_step(name, queue, case_id=case.id, generation=case.generation)
        claimed = tx.claim(step.id, lease=timedelta(seconds=60))
        assert claimed is not None
        tx.fail(claimed, code="model_unavailable", text="The model directory is missing", retry_at=None)
    return step
