"""The unit of systemd's that starts `actionsight up`: systemd.service(5), systemd.exec(5)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

# The watchdog is fed while all is well; what is not well for so long is started anew.
WATCHDOG_SECONDS = 300
# Servers bring to disk what they have in memory.
STOP_SECONDS = 120

_TEXT = """\
[Unit]
Description=Actionsight, analytics for GitHub Actions
Documentation=file:{root}/docs/operators.md
Wants=network-online.target
After=network-online.target
# However often it falls, it is started again.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
User={user}
WorkingDirectory={root}
ExecStart={program} up
Restart=always
RestartSec=10
# The first start makes databases; one after a power cut recovers them, which takes what it takes.
TimeoutStartSec=infinity
TimeoutStopSec={stop_seconds}
WatchdogSec={watchdog_seconds}
KillMode=mixed
LimitNOFILE=65536

# It writes into its data folder alone, and what it writes is its own.
UMask=0077
ReadWritePaths={data_dir}
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


class UnitError(RuntimeError):
    """No unit can be made so; the message says why."""


@dataclass(frozen=True)
class Unit:
    """One installation as a service.

    Attributes:
        root: the checkout.
        data_dir: the installation's, the only place that it writes to; it has to be there.
        user: whom it runs as.
    """

    NAME: ClassVar[str] = "actionsight.service"

    root: Path
    data_dir: Path
    user: str

    def text(self) -> str:
        """The unit file.

        Raises:
            UnitError: it would run as root, or a path has signs that systemd reads otherwise.
        """
        if self.user == "root":
            raise UnitError(
                "the service would run as root, who owns the checkout: make a user of its own "
                "(`useradd --system --create-home --home-dir /srv/actionsight actionsight`), clone "
                "and set up as that user, or name one by --user who can read the checkout and "
                f"write {self.data_dir}"
            )
        return _TEXT.format(
            root=_plain(self.root),
            program=_plain(self.root / ".venv" / "bin" / "actionsight"),
            data_dir=_plain(self.data_dir),
            user=self.user,
            stop_seconds=STOP_SECONDS,
            watchdog_seconds=WATCHDOG_SECONDS,
        )


def _plain(path: Path) -> str:
    """A path that a unit takes as it stands: systemd reads others by several rules."""
    text = str(path.absolute())
    if not re.fullmatch(r"[\w./+@:-]+", text):
        raise UnitError(
            f"{text!r} cannot stand in a unit: move it to a path without blanks or signs"
        )
    return text
