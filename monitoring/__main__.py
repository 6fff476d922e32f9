"""Makes the files in this folder anew."""

from pathlib import Path

import yaml

from monitoring import alerts, board

HEAD = "# Made by `python -m monitoring`, of the metrics' own table; docs/operators.md, Metrics.\n"
FOLDER = Path(__file__).parent


def files() -> dict[Path, str]:
    """What stands in each."""
    rules = yaml.safe_dump(alerts.groups(), sort_keys=False, allow_unicode=True, width=100)
    return {FOLDER / "alerts.yaml": HEAD + rules, FOLDER / "grafana.json": board.text()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
