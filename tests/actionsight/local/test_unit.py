"""The unit of systemd's: systemd takes it, and it runs as nobody who could do harm."""

import shutil
import subprocess
from pathlib import Path

import pytest

from actionsight.local.unit import Unit, UnitError

pytestmark = pytest.mark.unit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    program = tmp_path / ".venv" / "bin" / "actionsight"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    return tmp_path


def test_it_starts_up_as_its_user_and_writes_into_the_data_folder_alone(root: Path) -> None:
    lines = Unit(root, root / "var", "daemon").text().splitlines()
    assert {
        "Type=notify",
        "User=daemon",
        f"ExecStart={root}/.venv/bin/actionsight up",
        f"ReadWritePaths={root}/var",
        "ProtectSystem=strict",
        "Restart=always",
        "UMask=0077",
        "TimeoutStopSec=120",
    } <= set(lines)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_it(root: Path) -> None:
    unit = root / Unit.NAME
    unit.write_text(Unit(root, root / "var", "daemon").text())
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    # It looks at the machine's own units, too, which are nobody's fault here.
    assert [line for line in verified.stderr.splitlines() if Unit.NAME in line] == []


def test_root_and_paths_that_systemd_reads_otherwise_are_refused(root: Path) -> None:
    with pytest.raises(UnitError, match="useradd --system"):
        Unit(root, root, "root").text()
    for name in ("with blank", "50%", 'a"b', "a\nb"):
        with pytest.raises(UnitError, match="cannot stand in a unit"):
            Unit(root, root / name, "daemon").text()
