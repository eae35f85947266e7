"""Prometheus metrics. No PHI: counts, ages, states."""

import asyncio

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from service.bootstrap import Installation
from service.web.overview import Overview, take_overview
from service.web.pages import installation_of


async def metrics(request: Request) -> Response:
    """Prometheus text format."""
    body = await asyncio.to_thread(collect, installation_of(request))
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")


def collect(installation: Installation) -> bytes:
    return _exposition(take_overview(installation))


def _exposition(seen: Overview) -> bytes:
    registry = CollectorRegistry()

    def gauge(name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"epikrise_{name}", what, labels, registry=registry)

    steps = gauge("steps", "Steps by stage and state", "stage", "state")
    oldest = gauge("oldest_step_age_seconds", "Age of the oldest unfinished step", "stage")
    for row in seen.stages:
        for state in ("waiting", "running", "failed", "dead"):
            steps.labels(row.stage, state).set(getattr(row, state))
        oldest.labels(row.stage).set(row.oldest_age_seconds or 0.0)
    cases = gauge("cases", "Cases by state", "state")
    for name, number in seen.states.items():
        cases.labels(name).set(number)
    delivery = gauge("deliveries", "Cases by the state of their delivery to the EHR", "state")
    for name, number in seen.delivery.items():
        delivery.labels(name).set(number)
    gauge("unsigned_drafts", "Drafts that wait for a signature").set(seen.unsigned)
    gauge("oldest_unsigned_draft_age_seconds", "Age of the oldest draft without a signature").set(
        seen.oldest_unsigned_seconds or 0.0
    )
    bells = gauge("bells", "Bells in the broker that no worker has heard", "queue")
    for queue, number in seen.unheard.items():
        bells.labels(queue).set(number)
    gauge("broker_up", "1 if the broker answers").set(1 if seen.unheard else 0)
    return generate_latest(registry)
