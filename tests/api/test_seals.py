"""What was sealed here, for its place, opens; nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.seals import Seal

pytestmark = pytest.mark.unit

SEAL = Seal("the secret key")


@given(st.text(), st.binary())
def test_what_was_sealed_comes_back_as_it_was(place: str, value: bytes) -> None:
    place = place.encode("utf-8", "ignore").decode()
    assert SEAL.open(place, SEAL.close(place, value)) == value
    assert Seal("the secret key").open(place, SEAL.close(place, value)) == value


@given(st.binary(min_size=1), st.data())
def test_damage_opens_nothing(value: bytes, data: st.DataObject) -> None:
    sealed = bytearray(SEAL.close("place", value))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    assert SEAL.open("place", bytes(sealed)) is None
    assert SEAL.open("place", bytes(sealed[:at])) is None


def test_another_secret_or_another_place_opens_nothing() -> None:
    sealed = SEAL.close("place", b"value")
    assert Seal("another key").open("place", sealed) is None
    for place in ("", "plac", "place ", "place\0"):
        assert SEAL.open(place, sealed) is None
    assert SEAL.close("place", b"value") != SEAL.close("placev", b"alue")


@pytest.mark.parametrize("value", [None, b"", b"7", b'{"data": []}'])
def test_what_is_not_ours_opens_nothing(value: bytes | None) -> None:
    assert SEAL.open("place", value) is None
