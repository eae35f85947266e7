"""The sandbox EHR as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from adapters.sandbox.faults import Faults
from adapters.sandbox.inbox import Inbox
from adapters.sandbox.outcome import Refusal, refuse
from adapters.sandbox.rest import Rest, base_of, outcome_response
from adapters.sandbox.storage import Storage
from adapters.sandbox.subscriptions import Subscriptions
from adapters.sandbox.validation import parse_json

CODES = {404: "not-found", 405: "not-supported", 413: "too-long"}


def create_app(home: Path, *, faults: bool = False) -> Starlette:
    """An EHR that keeps everything under ``home``. ``faults`` opens ``/sandbox/faults``, for tests."""
    storage = Storage(home)
    armed = Faults()
    subscriptions = Subscriptions(storage, armed)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(subscriptions.close)
        storage.close()

    async def to_inbox(_: Request) -> Response:
        return RedirectResponse("/inbox")

    routes = [Route("/", to_inbox), *Rest(storage, armed, subscriptions).routes(), *Inbox(storage).routes()]
    if faults:
        routes += [_faults_route(armed), *_hook_routes(subscriptions)]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _plain_outcome})


def _faults_route(armed: Faults) -> Route:
    async def handle(request: Request) -> Response:
        if request.method == "DELETE":
            armed.clear()
        elif request.method == "POST":
            try:
                armed.arm(parse_json(await request.body()))
            except Refusal as refusal:
                return outcome_response(refusal)
        return Response("\n".join(f"{fault.kind} {fault.times}" for fault in armed.armed()), media_type="text/plain")

    return Route("/sandbox/faults", handle, methods=["GET", "POST", "DELETE"])


def _hook_routes(subscriptions: Subscriptions) -> list[Route]:
    """``POST /sandbox/heartbeat`` sends one; ``POST /sandbox/hooks`` answers when every hook was answered."""

    async def heartbeat(request: Request) -> Response:
        await run_in_threadpool(subscriptions.heartbeat, base_of(request))
        await run_in_threadpool(subscriptions.drain)
        return Response()

    async def drain(_: Request) -> Response:
        await run_in_threadpool(subscriptions.drain)
        return Response()

    return [
        Route("/sandbox/heartbeat", heartbeat, methods=["POST"]),
        Route("/sandbox/hooks", drain, methods=["POST"]),
    ]


async def _plain_outcome(_: Request, error: Exception) -> Response:
    """An unknown address or method, in FHIR's words instead of plain text."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return outcome_response(
        refuse(status, CODES.get(status, "processing"), "No such address, or not with this method.")
    )
