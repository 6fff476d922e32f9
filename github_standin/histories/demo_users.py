"""The people of the demonstration, who do not exist, and what each may do in its repositories."""

from typing import Any

from github_standin.world.people import PERMISSIONS, Role
from github_standin.world.world import World

PRIVATE = "tenstorrent/tt-forge"
"""The repository that is private in the demonstration, so that not everybody sees the same."""

_PEOPLE: dict[str, tuple[str, dict[str, Role]]] = {
    "standin-maintainer": (
        "Mae Maintainer",
        {
            "bitcoin/bitcoin": "admin",
            "tenstorrent/tt-forge-onnx": "admin",
            "tenstorrent/tt-mlir": "admin",
            PRIVATE: "admin",
        },
    ),
    "standin-developer": (
        "Dee Developer",
        {"tenstorrent/tt-mlir": "maintain", PRIVATE: "read"},
    ),
    "standin-outsider": ("Otto Outsider", {}),
}


def populate(world: World) -> None:
    """Add the people, install the App on every account, and make one repository private."""
    private = world.repository_named(PRIVATE)
    if private is not None:
        private.visibility = "private"
    for login, (name, roles) in _PEOPLE.items():
        world.people.add_user(login, roles, name=name)
    for owner in dict.fromkeys(of.owner for of in world.repositories.values()):
        world.people.install(owner, permissions={**PERMISSIONS, "repository_hooks": "write"})


def status(world: World) -> list[dict[str, Any]]:
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
