"""Some seeds of chaos; `make chaos` runs as many as one likes."""

from pathlib import Path

import pytest

from tests.chaos.installation import Template
from tests.chaos.seed import make_template, run_seed

pytestmark = [pytest.mark.end_to_end, pytest.mark.thorough, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def template(services_folder: Path) -> Template:
    return make_template(services_folder / "chaos" / "template")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_a_seed_does_nothing_is_lost_and_all_is_right_again(
    seed: int, template: Template
) -> None:
    run_seed(seed, template, template.folder.parent / f"seed-{seed}", print)
