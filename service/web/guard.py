"""Around every answer: headers that keep foreign code out, and no traceback to the reader."""

import logging
from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a launch address must not reach another site
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware. ``failed`` makes the answer to an error that nobody foresaw."""

    def __init__(self, app: ASGIApp, *, failed: Callable[[Request], Awaitable[Response]]) -> None:
        self._app = app
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_guarded)
        except Exception as error:
            # its text may quote the chart, so it goes neither to the reader nor to the server's log
            _log.error("page_failed", extra={"error": type(error).__name__})
            if not started:
                answer = await self._failed(Request(scope, receive))
                await answer(scope, receive, send_guarded)
