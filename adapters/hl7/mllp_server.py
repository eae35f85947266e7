"""An MLLP listener: takes frames, hands each to ``receive``, writes what it answers."""

import asyncio
import logging
import ssl
from contextlib import suppress
from pathlib import Path

from adapters.hl7.mllp_connection import CHUNK, Connection, MllpLimits, OnRefused, Peer, Receive
from service.errors import WrongSetting

__all__ = ["MllpLimits", "MllpServer", "OnRefused", "Peer", "Receive", "server_ssl_context"]

_log = logging.getLogger(__name__)


class MllpServer:
    """``await start()``, then ``await stop()``. Port 0 takes a free one; ``port`` then names it."""

    def __init__(
        self,
        receive: Receive,
        *,
        host: str,
        port: int,
        on_refused: OnRefused | None = None,
        ssl_context: ssl.SSLContext | None = None,
        limits: MllpLimits | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._receive = receive
        self._on_refused = on_refused
        self._ssl = ssl_context
        self._limits = limits or MllpLimits()
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}

    async def start(self) -> None:
        """Raises WrongSetting where the address cannot be had."""
        try:
            self._server = await asyncio.start_server(
                self._serve,
                self.host,
                self.port,
                ssl=self._ssl,
                backlog=1024,
                limit=CHUNK,
                ssl_handshake_timeout=self._limits.write if self._ssl else None,
            )
        except OSError as error:
            raise WrongSetting(
                f"mllp: cannot listen on {self.host}:{self.port}: {error.strerror}",
                remedy="Set mllp.host and mllp.port to a free address of this machine.",
            ) from None
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Takes no new connection; what has been received is stored and answered before it returns."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections.values():
            connection.stop()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=self._limits.stop + self._limits.write)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs a connection in a task of its own
        connection = Connection(reader, writer, self._receive, self._on_refused, self._limits)
        is_one_too_many = len(self._connections) >= self._limits.max_connections
        if not is_one_too_many:
            self._connections[task] = connection
        try:
            if is_one_too_many:
                await connection.turn_away()
            else:
                await connection.serve()
        except asyncio.CancelledError:
            # stop() cut it off; passed on, it would be logged with its traceback by asyncio's own callback
            _log.warning("mllp_connection_cut_off")
        except (OSError, TimeoutError, ssl.SSLError) as error:
            _log.info("mllp_connection_lost", extra={"error": type(error).__name__})
        finally:
            self._connections.pop(task, None)
            writer.close()
            with suppress(OSError, TimeoutError, ssl.SSLError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()
            writer.transport.abort()


def server_ssl_context(cert: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 and newer; with ``client_ca`` a peer must show a certificate signed by it.

    Raises:
        WrongSetting: a file is missing or is no PEM of its kind.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
        raise WrongSetting(
            f"mllp.certificate, mllp.key or mllp.client_ca: {reason}", remedy="Give PEM files that belong together."
        ) from None
    return context
