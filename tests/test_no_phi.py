"""Runs last: over the whole run, no name, birth date or record number of a test case left the store."""

import pytest
from phi_watch import Watch, watch

from service.errors import UnusableInput
from workers.training.synthetic import generate_case


def test_no_log_line_error_or_redis_file_of_this_run_tells_of_a_patient(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    assert sorted(set(watch.leaks(tmp_path_factory.getbasetemp()))) == []


def test_the_watch_would_have_seen_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("leaking")
    own = Watch()
    case = generate_case(5, lang="de")
    own._note_case(case)
    (folder / "serve.log").write_text(f"a line about {case.mrn}", encoding="utf-8")
    own._note_error(UnusableInput(f"born {case.birth_date.isoformat()}"))
    own.said.add(("log line of x", f"{case.family} was discharged"))

    assert sorted(own.leaks(folder)) == ["error unusable_input", "log line of x", "serve.log"]
