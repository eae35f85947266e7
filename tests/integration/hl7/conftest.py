"""Fixtures that these tests share."""

from listener_fixtures import connect, kept, kept_store, listener, peer

__all__ = ["connect", "kept", "kept_store", "listener", "peer"]
