"""``queue``: the stages and their health."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from service.bootstrap import broker_url, now, open_existing_store
from service.cli.output import print_json, print_rows, say
from service.config import Settings, load_settings
from service.errors import BrokerUnavailable, UnusableInput
from service.pipeline import JOURNEY, QUEUES, queue_of
from service.watch import stage_rows, start_a_worker, unattended, unattended_words

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLUMNS = ("stage", "queue", "waiting", "running", "failed", "dead", "oldest_age_seconds", "paused", "unheard")


@app.command()
def status(as_json: AsJson = False) -> None:
    """One row a stage: waiting, running, failed, dead, oldest age in seconds; bells of its queue that no worker has
    heard yet (empty where the broker is away). Says which queues nobody works on."""
    settings = load_settings()
    _, store = open_existing_store(settings)
    with store.read() as tx:
        rows = stage_rows(tx.health(), [stage.name for stage in JOURNEY])
        idle = unattended(tx, now())
    unheard = _unheard(settings)
    for row in rows:
        row["queue"] = queue_of(row["stage"])
        row["unheard"] = unheard.get(row["queue"])
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, _COLUMNS)
    for queue, seconds in idle.items():
        say(f"{unattended_words(queue, seconds)}. {start_a_worker(queue)}")


def _unheard(settings: Settings) -> Mapping[str, int]:
    from adapters.broker import CeleryBell, make_celery

    try:
        bell = CeleryBell(make_celery(broker_url(settings), queues=QUEUES))
    except BrokerUnavailable:
        return {}
    try:
        return bell.unheard(QUEUES)
    except BrokerUnavailable:
        return {}
    finally:
        bell.close()


@app.command()
def pause(queue: str, as_json: AsJson = False) -> None:
    """Workers take no new step from this queue; what waits keeps."""
    _set_paused(queue, True, as_json)


@app.command()
def resume(queue: str, as_json: AsJson = False) -> None:
    """Workers take steps from this queue again."""
    _set_paused(queue, False, as_json)


def _set_paused(queue: str, paused: bool, as_json: bool) -> None:
    if queue not in QUEUES:
        raise UnusableInput(f"there is no queue {queue!r}", remedy=f"Name one of {', '.join(QUEUES)}.")
    _, store = open_existing_store(load_settings())
    with store.begin() as tx:
        tx.pause(queue, paused)
        tx.audit("operator", "queue_paused" if paused else "queue_resumed", detail=queue)
    if as_json:
        print_json({"queue": queue, "paused": paused})
    else:
        say(f"{queue}: {'paused' if paused else 'running'}")


@app.command()
def dead(as_json: AsJson = False) -> None:
    """Steps that a person must replay."""
    _, store = open_existing_store(load_settings())
    with store.read() as tx:
        rows: list[dict[str, Any]] = [
            {
                "id": step.id,
                "stage": step.name,
                "case": step.case_id,
                "attempts": step.attempts,
                "error": step.error_code,
                "text": step.error_text,
            }
            for step in tx.dead_steps()
        ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("id", "stage", "case", "error", "text"))


@app.command()
def replay(
    step_id: Annotated[str | None, typer.Argument(help="Id of a dead step; all if none is given")] = None,
    as_json: AsJson = False,
) -> None:
    """Set dead steps going again; the sweeper of `epikrise serve` rings for them."""
    from service.rescue import replay_step

    _, store = open_existing_store(load_settings())
    with store.begin() as tx:
        ids = [step_id] if step_id else [step.id for step in tx.dead_steps()]
        for each in ids:
            replay_step(tx, each)
    if as_json:
        print_json({"replayed": ids})
    else:
        say(f"{len(ids)} step(s) replayed")
