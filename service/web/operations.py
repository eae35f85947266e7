"""The operations page: one row a stage, cases by state, dead steps. No PHI; nothing here changes anything."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.bootstrap import Installation
from service.pipeline import JOURNEY
from service.watch import stage_rows
from service.web.health import check_dependencies
from service.web.pages import installation_of, render


def routes() -> list[Route]:
    return [Route("/operations", page), Route("/operations.json", data)]


async def page(request: Request) -> Response:
    return render(request, "operations.html", await asyncio.to_thread(_overview, installation_of(request)))


async def data(request: Request) -> Response:
    return JSONResponse(await asyncio.to_thread(_overview, installation_of(request)))


def _overview(installation: Installation) -> dict[str, Any]:
    with installation.store.read() as tx:
        rows = stage_rows(tx.health(), [stage.name for stage in JOURNEY])
        cases = tx.cases(limit=50)
        dead = tx.dead_steps()
        paused = list(tx.paused_queues())
    return {
        "stages": rows,
        "paused": paused,
        "checks": check_dependencies(installation),
        "cases": [
            {
                "id": case.id,
                "state": case.state.value,
                "delivery": case.delivery.value,
                "updated": case.updated_at.isoformat(timespec="seconds"),
                "notices": list(case.notices),
            }
            for case in cases
        ],
        "dead": [
            {"id": step.id, "step": step.name, "case": step.case_id, "error": step.error_code, "text": step.error_text}
            for step in dead
        ],
    }
