"""What lies in the cache is bytes, and nothing else."""

import io
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cache.backend import BytesSerializer

pytestmark = pytest.mark.unit

SERIALIZER = BytesSerializer()


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@given(st.binary())
def test_bytes_come_back_as_they_were(value: bytes) -> None:
    assert SERIALIZER.loads(SERIALIZER.dumps(value)) == value
    file = io.BytesIO()
    SERIALIZER.dump(value, file)
    file.seek(0)
    assert SERIALIZER.load(file) == value


@pytest.mark.parametrize("value", ["text", 7, None, {"a": 1}, bytearray(b"bytes")])
def test_anything_but_bytes_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="bytes"):
        SERIALIZER.dumps(value)


@pytest.mark.parametrize("prefix", [b"", b"!"])
def test_a_pickle_is_not_executed(prefix: bytes, tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    poison = prefix + pickle.dumps(Trap(proof))
    assert SERIALIZER.loads(poison) == poison
    assert SERIALIZER.load(io.BytesIO(poison)) == poison
    assert not proof.exists()
    pickle.loads(poison.removeprefix(b"!"))  # noqa: S301 our own
    assert proof.exists(), "the trap works"
