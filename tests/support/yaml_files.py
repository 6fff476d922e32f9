"""Reads YAML by libyaml, which takes a tenth of the time that PyYAML's own parser takes."""

from pathlib import Path
from typing import Any

import yaml


def read_yaml(path: Path) -> Any:
    """What a file holds."""
    return yaml.load(path.read_bytes(), yaml.CSafeLoader)
