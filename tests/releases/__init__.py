"""Databases of released versions, of which every later version makes its own.

    python -m tests.releases VERSION

makes the one of this version, with rows in every table of `app` and `raw` and the marts of them,
and writes it to `tests/data/releases/VERSION.sql.gz`. A release is made with it; until then it is
written over.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "data" / "releases"


def kept() -> list[Path]:
    """The dumps."""
    return sorted(FOLDER.glob("*.sql.gz"))
