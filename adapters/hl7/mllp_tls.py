"""The listener's certificate, and its exchange without a restart."""

import logging
import ssl
from pathlib import Path

from service.errors import WrongSetting

_log = logging.getLogger(__name__)
_Stamp = tuple[tuple[int, int, int] | None, ...]


class ReloadingTls:
    """The context for the next connection: call it. New files are taken when their time or size changes; files
    that do not belong together, or are half written, leave the former in force and are told in the log."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        """Raises WrongSetting."""
        self._files = (cert, key, client_ca)
        self._stamp = self._look()
        self._context = server_ssl_context(cert, key, client_ca)

    def __call__(self) -> ssl.SSLContext:
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            self.reload()
        return self._context

    def reload(self) -> None:
        """Read the files now."""
        try:
            self._context = server_ssl_context(*self._files)
        except WrongSetting as error:
            _log.error("mllp_certificate_not_taken", extra={"error": error.code})
        else:
            _log.info("mllp_certificate_taken")

    def _look(self) -> _Stamp:
        return tuple(_stamp(path) for path in self._files if path is not None)


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


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
