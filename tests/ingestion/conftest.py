"""An installation that collects from the stand-in."""

import importlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from actionsight.settings import Settings

if TYPE_CHECKING:
    from tests.ingestion.collecting import Installation

with warnings.catch_warnings():
    # dlt imports sqlglot, whose accelerator (installed for dagster-dbt) deprecates itself.
    warnings.filterwarnings("ignore", "sqlglotrs is deprecated", DeprecationWarning)
    importlib.import_module("dlt")


@pytest.fixture
def own(settings: Settings) -> "Iterator[Installation]":
    from tests.ingestion.collecting import installation

    with installation(settings) as made:
        yield made
