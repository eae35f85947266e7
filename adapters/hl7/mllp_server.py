"""An MLLP listener: takes frames, hands each to ``receive``, writes what it answers."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from adapters.hl7.mllp_connection import Connection
from adapters.hl7.mllp_limits import Answer, MllpLimits, OnRefused, Peer, Receive
from adapters.hl7.mllp_tls import server_ssl_context
from service.errors import WrongSetting

__all__ = ["Answer", "MllpLimits", "MllpServer", "OnRefused", "Peer", "Receive", "server_ssl_context"]

_log = logging.getLogger(__name__)
_STOPPING_TICK = 0.02
_TOO_MANY = "too many connections: send again later"
_NOT_ALLOWED = "connections from this address are not allowed: ask for it to be allowed"


class MllpServer:
    """``await start()``, then ``await stop()``. Port 0 takes a free one; ``port`` then names it."""

    def __init__(
        self,
        receive: Receive,
        *,
        host: str,
        port: int,
        on_refused: OnRefused | None = None,
        ssl_context: ssl.SSLContext | Callable[[], ssl.SSLContext] | None = None,
        limits: MllpLimits | None = None,
        allow: Sequence[str] = (),
    ) -> None:
        """``ssl_context``: a function is asked anew for each connection. ``allow``: addresses and networks
        (``10.1.0.0/16``) whose peers may send; empty: all."""
        self.host = host
        self.port = port
        self.receive = receive
        self.on_refused = on_refused
        self.limits = limits or MllpLimits()
        self.now = 0.0
        self._ssl = ssl_context
        self._allowed = [ip_network(text, strict=False) for text in allow]
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._admitted: set[Connection] = set()
        self._securing: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._empty = asyncio.Event()

    async def start(self) -> None:
        """Raises WrongSetting where the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._is_stopping = False
        self._sweep()
        try:
            self._server = await loop.create_server(lambda: Connection(self), self.host, self.port, backlog=1024)
        except OSError as error:
            self._end_sweeping()
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
        self._is_stopping = True
        self._sweep()
        for connection in list(self._connections):
            connection.stop(self.now)
        await self._wait_until_empty(self.limits.stop + self.limits.write)
        for connection in list(self._connections):
            _log.warning("mllp_connection_cut_off")
            connection.abort()
        for task in list(self._securing):
            task.cancel()
        await self._wait_until_empty(1.0)
        await self._server.wait_closed()
        self._end_sweeping()
        self._server = None

    # ------------------------------------------------------------ its connections' calls

    def greet(self, connection: Connection, transport: asyncio.Transport) -> None:
        """Count it, secure it, and let it begin, or refuse it."""
        refusal = self._refusal(connection.peer)
        self._connections.add(connection)
        if refusal is None:
            self._admitted.add(connection)
        if self._is_stopping:
            transport.abort()
        elif self._ssl is None:
            connection.begin(transport, refusal)
        else:
            transport.pause_reading()  # the handshake belongs to TLS
            task = asyncio.get_running_loop().create_task(self._secure(connection, transport, refusal))
            self._securing.add(task)
            task.add_done_callback(self._securing.discard)

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._admitted.discard(connection)
        if not self._connections:
            self._empty.set()

    # ------------------------------------------------------------ inside

    def _refusal(self, peer: Peer) -> str | None:
        if self._allowed and not _is_in(peer.host, self._allowed):
            _log.warning("mllp_not_allowed")
            return _NOT_ALLOWED
        if len(self._admitted) >= self.limits.max_connections:
            _log.warning("mllp_too_many_connections", extra={"connections": self.limits.max_connections})
            return _TOO_MANY
        return None

    async def _secure(self, connection: Connection, transport: asyncio.Transport, refusal: str | None) -> None:
        assert self._ssl is not None  # noqa: S101 - asked for only then
        try:
            context = self._ssl if isinstance(self._ssl, ssl.SSLContext) else self._ssl()
            secured = await asyncio.get_running_loop().start_tls(
                transport, connection, context, server_side=True, ssl_handshake_timeout=self.limits.write
            )
        except (OSError, asyncio.CancelledError) as error:
            _log.info("mllp_connection_lost", extra={"error": type(error).__name__})
            transport.abort()
            connection.connection_lost(None)
            return
        if secured is None:  # gone during the handshake
            connection.connection_lost(None)
            return
        connection.begin(secured, refusal)
        if self._is_stopping:
            connection.stop(self.now)

    def _sweep(self) -> None:
        self._end_sweeping()
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        for connection in list(self._connections):
            connection.check(self.now)
        self._sweeping = loop.call_later(_STOPPING_TICK if self._is_stopping else self.limits.tick, self._sweep)

    def _end_sweeping(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    async def _wait_until_empty(self, seconds: float) -> None:
        self._empty.clear()
        if self._connections:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._empty.wait()


def _is_in(host: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
