"""For orchestrators and Prometheus. No PHI: counts, ages, states."""

import asyncio

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.bootstrap import Installation
from service.errors import BrokerUnavailable, EpikriseError
from service.model import CaseState
from service.pipeline import JOURNEY, QUEUES
from service.web.pages import installation_of


def routes() -> list[Route]:
    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def healthz(_: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


async def readyz(request: Request) -> Response:
    """The process can do its work: 200, or 503 with what is missing."""
    checks = await asyncio.to_thread(check_dependencies, installation_of(request))
    ready = all(value == "ok" for value in checks.values())
    return JSONResponse({"ready": ready, "checks": checks}, status_code=200 if ready else 503)


def check_dependencies(installation: Installation) -> dict[str, str]:
    found = {}
    for name, check in (("store", installation.store.check), ("broker", installation.bell.check)):
        try:
            check()
            found[name] = "ok"
        except EpikriseError as error:
            found[name] = error.code
    return found


async def metrics(request: Request) -> Response:
    """Prometheus text format."""
    body = await asyncio.to_thread(collect, installation_of(request))
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")


def collect(installation: Installation) -> bytes:
    """Read from the store at each scrape, so every process tells the same."""
    registry = CollectorRegistry()
    steps = Gauge("epikrise_steps", "Steps by stage and state", ["stage", "state"], registry=registry)
    oldest = Gauge(
        "epikrise_oldest_step_age_seconds", "Age of the oldest unfinished step", ["stage"], registry=registry
    )
    cases = Gauge("epikrise_cases", "Cases by state", ["state"], registry=registry)
    depth = Gauge("epikrise_bells", "Bells in the broker that no worker has heard", ["queue"], registry=registry)
    broker = Gauge("epikrise_broker_up", "1 if the broker answers", registry=registry)
    with installation.store.read() as tx:
        health = {row.stage: row for row in tx.health()}
        states = [case.state for case in tx.cases(limit=100_000)]
    for stage in JOURNEY:
        row = health.get(stage.name)
        for state in ("waiting", "running", "failed", "dead"):
            steps.labels(stage.name, state).set(getattr(row, state) if row else 0)
        oldest.labels(stage.name).set((row.oldest_age_seconds or 0.0) if row else 0.0)
    for case_state in CaseState:
        cases.labels(case_state.value).set(states.count(case_state))
    try:
        for queue in QUEUES:
            depth.labels(queue).set(installation.bell.depth(queue))
        broker.set(1)
    except BrokerUnavailable:
        broker.set(0)
    return generate_latest(registry)
