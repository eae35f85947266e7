"""The operations page: one row a stage, workers and model, delivery, unsigned drafts. No PHI; it changes nothing."""

import asyncio
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.bootstrap import Installation
from service.pipeline import JOURNEY
from service.watch import stage_rows
from service.web.health import check_dependencies
from service.web.overview import Overview, take_overview
from service.web.pages import installation_of, page_lang, render


def routes() -> list[Route]:
    return [Route("/operations", page), Route("/operations.json", data)]


async def page(request: Request) -> Response:
    checks, seen = await asyncio.to_thread(_look, installation_of(request))
    lang = page_lang(request)
    return render(
        request,
        "operations.html",
        {
            "checks": checks,
            "seen": seen,
            "at": seen.at.strftime("%d.%m.%Y %H:%M:%S" if lang == "de" else "%d %B %Y %H:%M:%S"),
            "age": age_in_words,
        },
    )


async def data(request: Request) -> Response:
    """The same as JSON: ``stages, paused, checks, cases, dead, delivery, unsigned, workers, model, subscription``."""
    checks, seen = await asyncio.to_thread(_look, installation_of(request))
    return JSONResponse(_as_json(checks, seen))


def age_in_words(seconds: float | None) -> str:
    """``42 s``, ``7 min``, ``3 h``, ``2 d``: the same in both languages."""
    if seconds is None:
        return "–"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def _look(installation: Installation) -> tuple[dict[str, str], Overview]:
    return check_dependencies(installation), take_overview(installation)


def _as_json(checks: dict[str, str], seen: Overview) -> dict[str, Any]:
    return {
        "stages": stage_rows(seen.stages, [stage.name for stage in JOURNEY]),
        "paused": list(seen.paused),
        "checks": checks,
        "cases": [{**asdict(row), "updated_at": row.updated_at.isoformat(timespec="seconds")} for row in seen.cases],
        "dead": [
            {"id": step.id, "step": step.name, "case": step.case_id, "error": step.error_code, "text": step.error_text}
            for step in seen.dead
        ],
        "states": dict(seen.states),
        "delivery": dict(seen.delivery),
        "unsigned": {"drafts": seen.unsigned, "oldest_age_seconds": seen.oldest_unsigned_seconds},
        "workers": [{"queue": queue, "unheard": number} for queue, number in seen.unheard.items()],
        "model": dict(seen.writer) if seen.writer else None,
        "subscription": asdict(seen.subscription) if seen.subscription else None,
    }
