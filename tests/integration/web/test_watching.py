"""Health, metrics and the operations page over HTTP: truthful, and without PHI."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from desk_fixtures import HTML, WRITER, WebDesk, a_desk, opened, serving

from adapters.redis_server import RedisServer
from service.pipeline import JOURNEY, QUEUES, run_step
from service.web.app import create_app


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[WebDesk]:
    """Its broker is away."""
    with a_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as url:
        yield url


def test_the_process_is_alive_whatever_else_is_not(desk: WebDesk) -> None:
    assert desk.http.get("/healthz").text == "ok\n"


def test_ready_means_store_and_broker_answer(tmp_path: Path, broker: str) -> None:
    with opened(tmp_path / "home", broker=broker) as installation, serving(create_app(installation)) as root:
        answer = httpx.get(f"{root}/readyz", trust_env=False)
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "checks": {"store": "ok", "broker": "ok"}}


def test_without_the_broker_the_service_is_not_ready_and_says_what_is_away(desk: WebDesk) -> None:
    answer = desk.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "checks": {"store": "ok", "broker": "broker_unavailable"}}


def test_metrics_name_stages_cases_delivery_and_unsigned_drafts(desk: WebDesk) -> None:
    answer = desk.http.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    for stage in JOURNEY:
        assert f'epikrise_steps{{stage="{stage.name}",state="dead"}} 0.0' in lines
        assert f'epikrise_oldest_step_age_seconds{{stage="{stage.name}"}} 0.0' in lines
    assert 'epikrise_cases{state="in_inbox"} 1.0' in lines
    assert 'epikrise_deliveries{state="confirmed"} 1.0' in lines
    assert "epikrise_unsigned_drafts 1.0" in lines
    assert "epikrise_broker_up 0.0" in lines
    assert [line for line in lines if line.startswith("epikrise_oldest_unsigned_draft_age_seconds ")]


def test_metrics_count_the_bells_that_nobody_has_heard(tmp_path: Path, broker: str) -> None:
    with a_desk(tmp_path / "home", broker=broker) as desk:
        desk.sign()
        lines = desk.http.get("/metrics").text.splitlines()
    assert "epikrise_broker_up 1.0" in lines
    assert 'epikrise_bells{queue="deliver"} 1.0' in lines
    assert 'epikrise_bells{queue="write"} 0.0' in lines
    assert 'epikrise_steps{stage="finalize",state="waiting"} 1.0' in lines


def test_the_operations_page_has_one_row_a_stage_in_the_journeys_order(desk: WebDesk) -> None:
    desk.sign()
    html = desk.http.get("/operations", headers=HTML).text
    table = html.partition('data-table="stages"')[2].partition("</table>")[0]
    rows = [part.partition('"')[0] for part in table.split('data-stage="')[1:]]
    assert rows == [stage.name for stage in JOURNEY]
    finalize = table.partition('data-stage="finalize"')[2].partition("</tr>")[0]
    assert "<td>1</td><td>0</td><td>0</td><td>0</td>" in finalize
    assert "Broker" in html
    assert "nicht erreichbar" in html


def test_the_same_stands_in_json(tmp_path: Path, broker: str) -> None:
    with a_desk(tmp_path / "home", broker=broker) as desk:
        seen = desk.http.get("/operations.json").json()
    assert [row["stage"] for row in seen["stages"]] == [stage.name for stage in JOURNEY]
    assert set(seen["stages"][0]) == {"stage", "waiting", "running", "failed", "dead", "oldest_age_seconds", "paused"}
    assert seen["workers"] == [{"queue": queue, "unheard": 0} for queue in QUEUES]
    assert seen["model"]["lora"] == WRITER.lora
    assert seen["delivery"]["confirmed"] == 1
    assert seen["unsigned"]["drafts"] == 1
    assert 0 <= seen["unsigned"]["oldest_age_seconds"] < 600
    assert seen["cases"][0]["state"] == "in_inbox"
    assert seen["checks"] == {"store": "ok", "broker": "ok"}


def test_a_dead_step_is_shown_with_its_error_and_the_command_that_replays_it(desk: WebDesk) -> None:
    desk.sign()
    with desk.installation.store.read() as tx:
        step = next(step for step in tx.steps_of(desk.case_id) if step.name == "finalize")
    run_step(desk.installation.world, step.id)  # no EHR is set, and repeating changes nothing
    html = desk.http.get("/operations", headers={**HTML, "Accept-Language": "en"}).text
    assert f"epikrise queue replay {step.id}" in html
    assert "wrong_setting" in html
    seen = desk.http.get("/operations.json").json()
    assert [dead["id"] for dead in seen["dead"]] == [step.id]
    assert seen["delivery"]["refused"] == 1


def test_a_paused_queue_is_told_with_its_stages(desk: WebDesk) -> None:
    desk.sign()
    with desk.installation.store.begin() as tx:
        tx.pause("deliver", True)
    html = desk.http.get("/operations", headers=HTML).text
    assert "angehalten" in html.partition('data-stage="finalize"')[2].partition("</tr>")[0]
    assert desk.http.get("/operations.json").json()["paused"] == ["deliver"]


@pytest.mark.parametrize("path", ["/operations", "/operations.json", "/metrics", "/readyz", "/healthz"])
def test_no_page_for_operators_holds_phi(desk: WebDesk, path: str) -> None:
    desk.sign()
    text = desk.http.get(path, headers=HTML).text
    for private in (desk.told.family, desk.told.mrn, desk.told.visit_number, desk.told.birth_date.isoformat()):
        assert private not in text


def test_an_error_nobody_foresaw_is_a_plain_page_and_leaves_no_content_in_the_log(
    desk: WebDesk, caplog: pytest.LogCaptureFixture
) -> None:
    with desk.installation.store.begin() as tx:
        tx.put("draft", desk.case_id, 1, {"lang": desk.told.family})
    answer = desk.page()
    assert answer.status_code == 500
    assert "Ein unerwarteter Fehler" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for text in (answer.text, caplog.text):
        assert "Traceback" not in text
        assert desk.told.family not in text


def test_an_address_that_does_not_exist_is_said_in_the_readers_words(desk: WebDesk) -> None:
    answer = desk.http.get("/nowhere", headers=HTML)
    assert answer.status_code == 404
    assert "Diese Seite gibt es nicht" in answer.text
    assert desk.http.get("/nowhere").json()["error"] == "no_page"
    assert desk.http.post("/operations", headers=HTML).status_code == 405
