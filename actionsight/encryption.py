"""Encryption of what must be read back, tokens of people who signed in, and hashes of the rest."""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_TOKENS = b"actionsight tokens"
_FINGERPRINTS = b"actionsight fingerprints"


def hash_of(secret: str) -> bytes:
    """How a random secret is kept that is only compared: SHA-256 of it.

    It has 256 random bits, so that nobody finds it by trying and a plain hash tells nothing.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def fingerprint_of(secret: str, key: str) -> bytes:
    """By what a secret is known again that a person may have chosen.

    Without the installation's secret key nobody finds it by trying, be it short.
    """
    return hmac.digest(_derived(key, _FINGERPRINTS), secret.encode(), "sha256")


class DecryptionError(ValueError):
    """It was encrypted with another secret key, or changed since."""


class Cipher:
    """Encrypts under a key that is derived from the installation's secret key.

    Args:
        secret_key: one, or the new and the old one separated by a comma while they are rotated:
            the first encrypts, each decrypts.
    """

    def __init__(self, secret_key: str) -> None:
        self._fernet = MultiFernet([_fernet(key) for key in secret_key.split(",")])

    def encrypt(self, text: str) -> bytes:
        """Different bytes at each call."""
        return self._fernet.encrypt(text.encode())

    def decrypt(self, encrypted: bytes) -> str:
        """The text that was encrypted.

        Raises:
            DecryptionError: not by this secret key, or not unchanged.
        """
        try:
            return self._fernet.decrypt(encrypted).decode()
        except InvalidToken:
            raise DecryptionError("encrypted with another secret key, or damaged") from None


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derived(key, _TOKENS)))


def _derived(key: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose).derive(key.encode())
