"""Addresses that open one case's review from the EHR's inbox, and prove that they came from us."""

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, repr=False)
class LaunchAddresses:
    """``secret`` keys the signature; an address names a case by its random id and holds no PHI."""

    public_url: str
    secret: str

    def review(self, case_id: str) -> str:
        """The address that goes into the EHR's Task."""
        return f"{self.public_url}/review/{case_id}?launch={self.token(case_id)}"

    def token(self, case_id: str) -> str:
        mac = hmac.new(self.secret.encode(), f"review:{case_id}".encode(), hashlib.sha256)
        return mac.hexdigest()[:40]

    def is_valid(self, case_id: str, token: str) -> bool:
        return hmac.compare_digest(self.token(case_id).encode(), token.encode())  # compares str in ASCII only
