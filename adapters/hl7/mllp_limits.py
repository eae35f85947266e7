"""What a listener allows its peers, and who a peer is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Peer(NamedTuple):
    """Where bytes came from."""

    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class MllpLimits:
    """Sizes in bytes, times in seconds.

    ``idle``: silence between messages, and within one. ``frame``: from a message's first byte to its last, so
    that who trickles bytes holds no place for ever. ``quiet``: silence after which junk is refused. ``write``:
    how long a peer may not read its answer, or take for its TLS handshake. ``drain``: how long the rest of a
    refused message is read and dropped, so that the refusal is not lost with the connection. ``stop``: how long
    a message under way may still take when the listener stops.
    """

    max_message_bytes: int = 64 * 1024 * 1024
    max_connections: int = 4096
    idle: float = 300.0
    frame: float = 60.0
    quiet: float = 1.0
    write: float = 30.0
    drain: float = 10.0
    stop: float = 5.0

    @property
    def tick(self) -> float:
        """How often silence is looked for: one sweep of all connections is cheaper than a timer for each read."""
        shortest = min(self.idle, self.frame, self.quiet, self.write, self.drain, self.stop)
        return min(max(shortest / 4, 0.01), 1.0)


Answer = Callable[[Sequence[bytes] | Exception], None]
"""Gets the messages to send back, not framed (none where none may be sent), or what went wrong."""

Receive = Callable[[bytes, Peer, Answer], None]
"""Stores a message durably, then calls its last argument in the event loop. Never waits."""

OnRefused = Callable[[bytes, Peer, str, Callable[[object], None]], None]
"""Keeps bytes that were no frame, then calls its last argument. The third is a :data:`framing.Fault`."""
