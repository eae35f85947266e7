"""For orchestrators: is the process alive, can it do its work. No PHI."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.bootstrap import Installation
from service.errors import EpikriseError
from service.web.metrics import metrics
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
    """``ok``, or the code of the error, by dependency."""
    found = {}
    for name, check in (("store", installation.store.check), ("broker", installation.bell.check)):
        try:
            check()
            found[name] = "ok"
        except EpikriseError as error:
            found[name] = error.code
    return found
