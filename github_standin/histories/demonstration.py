"""The demonstration: recorded history moved to the present, so that its last week is going on now,
and beside it an invented one, whose present is the first start.

Each recording is moved by whole weeks of its own, so that weekdays and hours stay as they were. A
recording shorter than a week counts as the week that begins with it: it is history from the first
start on. The shift is fixed at the first start and kept in `standin.json`, as is the present of
what is invented: later starts show the same history, grown older. Beside it stands how the world's
clock catches up, where it was asked to run faster.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from github_standin import INVENTED, SYNTHESISED
from github_standin.histories import invented, recording
from github_standin.histories.recording import Recording
from github_standin.world.clock import Pace, starting_pace
from github_standin.world.people import PERMISSIONS, Role
from github_standin.world.world import World

STATE_FILE = "standin.json"

WEEK = timedelta(weeks=1)

DEFAULT_LEAD = timedelta(days=1)

PRIVATE = "tenstorrent/tt-forge"
"""The repository that is private in the demonstration, so that not everybody sees the same."""

_USERS: dict[str, tuple[str, dict[str, Role]]] = {
    "standin-maintainer": (
        "Mae Maintainer",
        {
            "bitcoin/bitcoin": "admin",
            "tenstorrent/tt-forge-onnx": "admin",
            "tenstorrent/tt-mlir": "admin",
            PRIVATE: "admin",
            INVENTED: "admin",
        },
    ),
    "standin-developer": (
        "Dee Developer",
        {"tenstorrent/tt-mlir": "maintain", PRIVATE: "read", INVENTED: "write"},
    ),
    "standin-outsider": ("Otto Outsider", {}),
}
"""The people of the demonstration, who do not exist, and what each may do in its repositories."""


class StateError(Exception):
    """The kept shifts cannot be read."""


@dataclass(frozen=True)
class Shown:
    """A recording as it is shown: moved by *shift_weeks*."""

    recording: Recording
    shift_weeks: int

    def is_used_up(self, now: datetime) -> bool:
        """Whether everything in it has happened: nothing new will appear."""
        return self.recording.last <= now


def prepare(
    world: World, data_dir: Path, speed: float = 1.0, lead: timedelta = DEFAULT_LEAD
) -> list[Shown]:
    """Fill *world* with every recording, moved to the present, with what is invented, and with
    people; what later starts need is kept in *data_dir*.

    *speed* and *lead*: the world's clock begins *lead* ago and runs *speed* times as fast until it
    has caught up (`github_standin.world.clock` says what later starts do).

    Raises `StateError` when an earlier start left a file that cannot be read, `OSError` when the
    folder cannot be written.
    """
    path = data_dir / STATE_FILE
    real_clock = world.clock
    now = real_clock()
    is_first, kept = not path.exists(), _read(path)
    shifts = kept.shift_weeks
    moved = {
        name: shifts[name] if name in shifts else _weeks_to_now(name, now)
        for name in recording.names()
    }
    pace = starting_pace(now, speed, lead, is_first=is_first, kept=kept.pace)
    keeping = _Kept(moved, pace, kept.invented_at or now)
    if keeping != kept:
        _write(path, keeping)
    if pace is not None:
        world.clock = lambda: pace.at(real_clock())
    shown = show(world, moved)
    invented.invent(world, keeping.invented_at or now)
    _populate(world)
    return shown


def show(world: World, shift_weeks: Mapping[str, int]) -> list[Shown]:
    """Fill *world* with every recording, each moved by its number of weeks (0 where none is
    given)."""
    shown = []
    for name in recording.names():
        weeks = shift_weeks.get(name, 0)
        shown.append(Shown(recording.load(world, name, weeks * WEEK), weeks))
    return shown


def status(world: World, shown: list[Shown]) -> dict[str, Any]:
    """What `GET /standin` answers: who there is and what they may do; which repositories are
    invented; per recording its repository, shift, bounds and whether it is used up."""
    now = world.now()
    made_up = [INVENTED] if world.repository_named(INVENTED) else []
    return {
        "now": now.isoformat(),
        "repositories": [of.recording.full_name for of in shown] + made_up,
        "invented": made_up,
        "private": [r.full_name for r in world.repositories.values() if r.visibility == "private"],
        "people": _people(world),
        "synthesised": list(SYNTHESISED),
        "recordings": [
            {
                "name": of.recording.name,
                "repository": of.recording.full_name,
                "shift_weeks": of.shift_weeks,
                "first": of.recording.first.isoformat(),
                "last": of.recording.last.isoformat(),
                "used_up": of.is_used_up(now),
            }
            for of in shown
        ],
    }


def _weeks_to_now(name: str, now: datetime) -> int:
    """How many weeks move the recording *name* so that *now* lies in its last week."""
    original = recording.original(name)
    end = max(original.last, original.first + WEEK)
    return -((end - now) // WEEK)


def _populate(world: World) -> None:
    """Add the people, install the App on every account, and make one repository private."""
    private = world.repository_named(PRIVATE)
    if private is not None:
        private.visibility = "private"
    for login, (name, roles) in _USERS.items():
        world.people.add_user(login, roles, name=name)
    for owner in dict.fromkeys(of.owner for of in world.repositories.values()):
        world.people.install(owner, permissions={**PERMISSIONS, "repository_hooks": "write"})


def _people(world: World) -> list[dict[str, Any]]:
    """What `GET /standin` tells of people: numeric ids, logins, roles by repository."""
    return [
        {
            "id": user.account.id,
            "login": user.account.login,
            "name": user.name,
            "roles": {
                repository.full_name: user.roles[repository.id]
                for repository in world.repositories.values()
                if repository.id in user.roles
            },
        }
        for user in world.people.users.values()
    ]


@dataclass(frozen=True)
class _Kept:
    shift_weeks: dict[str, int]
    pace: Pace | None = None
    invented_at: datetime | None = None


def _read(path: Path) -> _Kept:
    if not path.exists():
        return _Kept({})
    try:
        kept = json.loads(path.read_text())
        shifts = {str(name): int(weeks) for name, weeks in kept["shift_weeks"].items()}
        pace, invented_at = kept.get("pace"), kept.get("invented_at")
        return _Kept(
            shifts,
            None if pace is None else Pace.from_json(pace),
            None if invented_at is None else datetime.fromisoformat(invented_at),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        raise StateError(
            f"{path} cannot be read ({broken})."
            " Remove it, and the collected data beside it, to begin anew."
        ) from broken


def _write(path: Path, kept: _Kept) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    content: dict[str, Any] = {"shift_weeks": kept.shift_weeks}
    if kept.pace is not None:
        content["pace"] = kept.pace.to_json()
    if kept.invented_at is not None:
        content["invented_at"] = kept.invented_at.isoformat()
    with draft.open("w") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
