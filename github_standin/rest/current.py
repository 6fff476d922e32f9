"""What the request that is being answered is about: whose it is, of which world.

The server hands both in with each request: one application, whose routes are slow to compile,
answers for every world of the process.
"""

from flask import request
from werkzeug.wrappers import Request

from github_standin.rest.access import Viewer
from github_standin.webhooks.registry import HookRegistry
from github_standin.world.world import World

_WORLD, _HOOKS, _VIEWER = (f"github_standin.{name}" for name in ("world", "hooks", "viewer"))


def set_world(asked: Request, world: World, hooks: HookRegistry) -> None:
    """Let *asked* be answered for *world*, and for the *hooks* that clients made in it."""
    asked.environ |= {_WORLD: world, _HOOKS: hooks}


def set_viewer(asked: Request, viewer: Viewer) -> None:
    """Let *asked* be answered for *viewer*."""
    asked.environ[_VIEWER] = viewer


def current_world() -> World:
    """The world that is shown."""
    world: World = request.environ[_WORLD]
    return world


def current_hooks() -> HookRegistry:
    """The hooks that clients made in it."""
    hooks: HookRegistry = request.environ[_HOOKS]
    return hooks


def current_viewer() -> Viewer:
    """Who asks; nobody is known on the pages of github.com and below `/applications`."""
    viewer: Viewer = request.environ[_VIEWER]
    return viewer
