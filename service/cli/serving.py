"""The service process: listener, pages and sweeper in one, started and stopped in order."""

import asyncio
import contextlib
import resource
import signal
import socket
import threading
from collections.abc import Sequence

import uvicorn

from adapters.hl7.mllp_server import MllpLimits, MllpServer
from adapters.hl7.mllp_tls import ReloadingTls
from adapters.hl7.receiver import MessageReceiver
from adapters.store import GroupCommit, share_interpreter
from service import logs
from service.bootstrap import Installation, open_installation
from service.cli.following import Follower
from service.cli.output import say
from service.cli.own_broker import broker_of
from service.config import Mllp, Settings
from service.errors import StoreUnavailable, WrongSetting
from service.pipeline import relay
from service.web.app import create_app

_OTHER_FILES = 512  # database, broker, pages, logs


def serve_until_stopped(settings: Settings) -> None:
    """Until SIGTERM or Ctrl-C; what was acknowledged is finished first.

    Raises:
        WrongSetting: a port is taken, or a certificate cannot be read.
    """
    logs.configure(settings.home, "serve")
    share_interpreter()
    with broker_of(settings):
        installation = open_installation(settings)
        try:
            asyncio.run(_serve(installation))
        finally:
            installation.close()


async def _serve(installation: Installation) -> None:
    settings = installation.settings
    sweeper = Sweeper(installation)
    follower = Follower(installation)

    def ring(_: Sequence[str]) -> None:
        installation.ring()

    with _listen(settings.web.host, settings.web.port, "web.port") as web_socket:
        web = uvicorn.Server(
            uvicorn.Config(create_app(installation), log_config=None, access_log=False, timeout_graceful_shutdown=10)
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn takes the signal, shuts down and then raises it again, when we are already stopping
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
        async with GroupCommit(installation.store, after_commit=ring, seal=installation.store.seal) as intake:
            tls = _tls(settings.mllp)
            if tls is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, tls.reload)
            _allow_files(settings.mllp.max_connections)
            receiver = MessageReceiver(intake.submit, senders=settings.mllp.allow_senders)
            listener = _listener(settings.mllp, receiver, tls)
            await listener.start()
            sweeper.start()
            follower.start()
            host, port = web_socket.getsockname()[:2]
            say(f"web on http://{host}:{port}, HL7 v2 over MLLP on {settings.mllp.host}:{listener.port}")
            try:
                await web.serve(sockets=[web_socket])
            finally:
                await listener.stop()
                await asyncio.to_thread(follower.stop)
                await asyncio.to_thread(sweeper.stop)


def _listener(mllp: Mllp, receiver: MessageReceiver, tls: ReloadingTls | None) -> MllpServer:
    return MllpServer(
        receiver.receive,
        host=mllp.host,
        port=mllp.port,
        on_refused=receiver.keep_refused,
        ssl_context=tls,
        limits=MllpLimits(
            max_message_bytes=mllp.max_message_bytes,
            max_connections=mllp.max_connections,
            idle=mllp.idle_seconds,
            frame=mllp.frame_seconds,
        ),
        allow=mllp.allow,
    )


def _listen(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # a delayed ACK would add 40 ms to each answer on a kept connection
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise WrongSetting(f"{setting} {port}: {error.strerror}", remedy="Choose another.") from None
    listening.listen(512)
    return listening


def _tls(mllp: Mllp) -> ReloadingTls | None:
    if mllp.certificate is None or mllp.key is None:
        return None
    return ReloadingTls(mllp.certificate, mllp.key, mllp.client_ca)


def _allow_files(connections: int) -> None:
    """Each connection is an open file, and a shell's usual limit of 1,024 is less than we are told to hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))


class Sweeper:
    """Rings for steps whose bell was lost or whose lease ran out."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        pause = self._installation.settings.journey.sweep_seconds
        while not self._stopping.wait(pause):
            with contextlib.suppress(StoreUnavailable):  # readyz tells; the next round tries again
                relay(self._installation.world)
