"""What Dagster reads in its home: the checkout's dagster.yaml, as the settings have it."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from actionsight.local import dagster_home
from actionsight.settings import ROOT, Settings, SettingsError, load
from tests.support.yaml_files import read_yaml

pytestmark = pytest.mark.unit


@pytest.fixture
def plain(tmp_path: Path) -> Settings:
    return dataclasses.replace(load(environ={}), data_dir=tmp_path)


def test_without_a_setting_it_is_what_stands_in_the_checkout(plain: Settings) -> None:
    home = dagster_home.make(plain)
    assert home == plain.data_dir / "dagster"
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"]
    assert read_yaml(home / "dagster.yaml") == read_yaml(ROOT / "dagster.yaml")


def test_a_file_of_one_s_own_takes_the_place_of_whole_sections(plain: Settings) -> None:
    launcher = {"module": "elsewhere", "class": "Launcher"}
    own = plain.data_dir / "own.yaml"
    own.write_text(yaml.safe_dump({"run_launcher": launcher, "nux": {"enabled": True}}))
    settings = load(environ={"ACTIONSIGHT_DAGSTER_YAML": str(own)})
    configured = dagster_home.configuration(settings)
    shipped = read_yaml(ROOT / "dagster.yaml")
    assert configured == shipped | {"run_launcher": launcher, "nux": {"enabled": True}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "No such file"),
        ("a: [", "is no YAML"),
        ("- a list", "has no sections"),
    ],
    ids=["missing", "broken", "without sections"],
)
def test_a_file_of_one_s_own_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str | None, says: str
) -> None:
    file = tmp_path / "own.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=rf"ACTIONSIGHT_DAGSTER_YAML: .*{says}"):
        load(environ={"ACTIONSIGHT_DAGSTER_YAML": str(file)})
