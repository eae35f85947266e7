"""``python -m adapters.sandbox --home DIR --port N``: the EHR as a process of its own."""

import argparse
import logging
import socket
import sys
from pathlib import Path

import uvicorn

from adapters.sandbox.app import create_app


def main(arguments: list[str] | None = None) -> int:
    """Serves until interrupted. Prints its address on stdout when it listens; port 0 takes a free one."""
    parser = argparse.ArgumentParser(prog="python -m adapters.sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="where its database lies")
    parser.add_argument("--port", type=int, default=8480, help="0: any free port")
    parser.add_argument(
        "--host", default="127.0.0.1", help="leave it: the sandbox has no access control, so only this machine may ask"
    )
    parser.add_argument("--faults", action="store_true", help="open /sandbox/faults, for tests")
    wish = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    try:
        listener = socket.create_server((wish.host, wish.port))
    except OSError as error:
        sys.stderr.write(f"The port cannot be opened ({error.strerror}). Choose another with --port.\n")
        return 3
    # asyncio switches Nagle off only for sockets made with an explicit protocol, which this one is not;
    # connections inherit it from here. Without it an answer waits 40 ms for the client's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        app = create_app(wish.home, faults=wish.faults)
    except OSError as error:
        listener.close()
        sys.stderr.write(f"--home cannot be written ({error.strerror}).\n")
        return 2
    sys.stdout.write(f"http://{wish.host}:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    # No access log: addresses of searches hold identifiers.
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
