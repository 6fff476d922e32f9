"""GitHub's signature of a body."""

import pytest

from api.webhooks.signature import is_signed, sign
from tests.api.webhooks.deliveries import signature

pytestmark = pytest.mark.unit

PUBLISHED = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_githubs_published_example() -> None:
    assert sign(b"It's a Secret to Everybody", b"Hello, World!") == PUBLISHED


@pytest.mark.parametrize("secret", ["s", "é🚀", "x" * 500])
@pytest.mark.parametrize("body", [b"", b"\x00\xff" * 1000])
def test_any_secret_signs_any_body(secret: str, body: bytes) -> None:
    signed = signature(body, secret).encode()
    assert is_signed(body, signed, [secret.encode()])
    assert is_signed(body, signed, [b"another", secret.encode()])
    assert is_signed(body, signed, [secret.encode(), b"another"])
    assert not is_signed(body, signed, [b"another"])
    assert not is_signed(body + b" ", signed, [secret.encode()])
    assert not is_signed(body, signed, [])


@pytest.mark.parametrize(
    "given", [b"", b"sha256=", b"\xff\xfe", PUBLISHED[:-1], PUBLISHED.upper(), PUBLISHED + b"\n"]
)
def test_nothing_else_is_a_signature(given: bytes) -> None:
    assert not is_signed(b"Hello, World!", given, [b"It's a Secret to Everybody"])
