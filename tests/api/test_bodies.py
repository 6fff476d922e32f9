"""How many bodies a process reads at once."""

from contextlib import ExitStack

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from api.bodies import LARGEST_BODY_BYTES, Bounds, Reading, TooManyError

pytestmark = pytest.mark.unit


def request(size: int | None = 1, address: str = "192.0.2.1") -> Request:
    length = {} if size is None else {"CONTENT_LENGTH": str(size)}
    return EnvironBuilder(
        method="POST", environ_base={"REMOTE_ADDR": address}, environ_overrides=length
    ).get_request()


def test_only_so_many_bodies_are_read_at_once_and_fewer_of_one_address() -> None:
    reading = Reading(Bounds(most=3, most_of_address=2, most_bytes=1000))
    for _ in range(2):  # what was read makes room
        with ExitStack() as stack:
            for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
                stack.enter_context(reading.one(request(address=address)))
            for address in ("192.0.2.1", "192.0.2.3"):
                with pytest.raises(TooManyError), reading.one(request(address=address)):
                    pass


def test_an_address_that_has_its_share_leaves_the_rest_to_others() -> None:
    reading = Reading(Bounds(most=3, most_of_address=2, most_bytes=1000))
    with reading.one(request()), reading.one(request()):
        with pytest.raises(TooManyError), reading.one(request()):
            pass
        with reading.one(request(address="192.0.2.2")):
            pass


def test_their_lengths_have_a_bound_in_all() -> None:
    most = 2 * LARGEST_BODY_BYTES
    reading = Reading(Bounds(most=9, most_of_address=9, most_bytes=most))
    with reading.one(request(size=None)):  # may have as many as any
        with pytest.raises(TooManyError), reading.one(request(size=LARGEST_BODY_BYTES + 1)):
            pass
        with reading.one(request(size=LARGEST_BODY_BYTES)):
            pass
    with reading.one(request(size=most)):
        pass


def test_a_body_that_fails_makes_room_too() -> None:
    reading = Reading(Bounds(most=1, most_of_address=1, most_bytes=1))
    for _ in range(3):
        with pytest.raises(OSError, match="gone"), reading.one(request()):
            raise OSError("gone")
