"""Start an installation and try every attack on it: `python -m tests.security`."""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.end_to_end.demonstration import Demonstration
from tests.security.attacks import ATTACKS


def main() -> int:
    """Print what each attack got; gives how many succeeded."""
    folder = Path(tempfile.mkdtemp(prefix="actionsight-attacked-"))
    folder.chmod(0o711)  # PostgreSQL's user has to get through
    succeeded = 0
    try:
        demonstration = Demonstration(folder / "data")
        with demonstration.up():
            for attack in ATTACKS:
                try:
                    attack(demonstration)
                except AssertionError as error:
                    succeeded += 1
                    print(f"SUCCEEDED {attack.__name__}: {error}")  # noqa: T201
                else:
                    print(f"refused   {attack.__name__}")  # noqa: T201
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return succeeded


if __name__ == "__main__":
    sys.exit(main())
