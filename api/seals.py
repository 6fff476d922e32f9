"""Seals: what lies outside, on the cache server or with a client, and must come from here alone.

Whoever writes to the cache server could grant rights, or put words into answers. So a value there
carries a MAC under a key that is derived from the secret key, over its place as well: nothing can
be made up, and nothing moved from one person's entry to another's. A sealed value can still be
read, taken away, or put back while it is young enough to count.
"""

import hashlib
import hmac
from typing import Any, cast

from flask import Flask, current_app

from actionsight.settings import Settings

MAC_BYTES = 16
_PURPOSE = b"actionsight seal"
_EXTENSION = "seal"


class Seal:
    """Seals values under a key derived from a secret that no client and no cache server knows."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), _PURPOSE, "sha256")

    def key_for(self, purpose: bytes) -> bytes:
        """A key for a library that signs, another one for each purpose."""
        return hmac.digest(self._key, purpose, "sha256")

    def mac(self, place: str, value: bytes) -> bytes:
        """What only this installation can make of a value in a place."""
        hasher = hashlib.blake2b(key=self._key, digest_size=MAC_BYTES)
        hasher.update(place.encode() + b"\0")
        hasher.update(value)
        return hasher.digest()

    def close(self, place: str, value: bytes) -> bytes:
        """The value, sealed for a place."""
        return self.mac(place, value) + value

    def open(self, place: str, sealed: bytes | None) -> bytes | None:
        """The value; None where there is none, or not one that was sealed for this place."""
        if sealed is None:
            return None
        value = sealed[MAC_BYTES:]
        return value if hmac.compare_digest(sealed[:MAC_BYTES], self.mac(place, value)) else None


def init_app(app: Flask, settings: Settings) -> None:
    """Give this application its seal. Without a secret key nobody signs in, and the database's
    address, which all processes know as well, keeps at least answers apart from strangers."""
    app.extensions[_EXTENSION] = Seal(settings.secret_key or settings.database_url or "")


def seal_of(app: Flask) -> Seal:
    """The seal of an application."""
    extension: Any = app.extensions[_EXTENSION]
    return cast(Seal, extension)


def current_seal() -> Seal:
    """The seal of the application that answers now."""
    return seal_of(current_app)
