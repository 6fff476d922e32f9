"""GET /installation, /audit and /definitions."""

from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import requests
from flask import Blueprint, Response
from psycopg import sql

from actionsight.local.standin import INVENTED_OWNER, standin_status
from actionsight.loopback import HOST
from actionsight.settings import Settings
from api.auth.access import current_principal
from api.cache.backend import cache
from api.current import current_settings
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.errors import Problem
from api.installation.definitions import definitions
from api.installation.records import AuditEntry, Definition, InstallationAnswer
from api.pagination import Order, Page, PageParameters, read_page
from api.records import list_of
from api.responses import body_response, json_response, list_body, to_json
from api.sign_in.configuration import is_sign_in_configured

public = Blueprint("installation", __name__)
blueprint = Blueprint("definitions", __name__)

NAME = "Actionsight"
# The client id under which the demonstration's GitHub knows this installation.
DEMONSTRATION = "demonstration"
# Under which name the cache keeps whether the demonstration is used up, and for how long.
_USED_UP = "demonstration is used up"
_LOOK_SECONDS = 60
_ENTRIES = Order([sql.SQL("entries.entry_id")], is_descending=True)


@public.get("/installation")
@endpoint(
    "What this installation is.",
    tag="installation",
    answer=InstallationAnswer,
    has_freshness=False,
)
def get_installation() -> Response:
    """For everybody: a page asks it before anyone is signed in."""
    settings = current_settings()
    return json_response(
        {
            "data": {
                "name": NAME,
                "version": version("actionsight"),
                "github_url": settings.github_url,
                "is_sign_in_configured": is_sign_in_configured(settings),
                "poll_minutes": settings.poll_minutes,
                "demonstration": _demonstration(settings),
            }
        }
    )


@blueprint.get("/audit")
@endpoint(
    "Who changed what; for operators.",
    tag="installation",
    query=PageParameters,
    answer=list_of(AuditEntry),
    is_list=True,
    has_freshness=False,
    failures={
        HTTPStatus.FORBIDDEN: "The viewer is no operator, or has to sign in again for this token."
    },
)
def list_audit(query: PageParameters) -> Response:
    """Newest first."""
    if not current_principal().is_operator:
        raise Problem(HTTPStatus.FORBIDDEN, "Only operators see who changed what.")
    page = read_page(query, "/audit", {})
    with current_database().snapshot() as connection:
        rows = _entries(connection, page)
    shown, token = page.cut_by_keys(rows)
    return body_response(list_body(shown, token, applied={}))


@blueprint.get("/definitions")
@endpoint(
    "What every number of the answers means.",
    tag="statistics",
    answer=list_of(Definition),
    is_list=True,
    has_freshness=False,
)
def get_definitions() -> Response:
    """Those of `/stats` first, in the order in which answers have them; all at once. A name that
    means something else on another route is there again. The texts are those of this document."""
    port = current_settings().dagster_port
    lineage = f"http://{HOST}:{port}/assets/marts/" if current_principal().is_operator else None
    rows = [
        {**row, "lineage_url": lineage and row["mart"] and lineage + row["mart"]}
        for row in definitions()
    ]
    return body_response(list_body(rows, None, applied={}))


def _demonstration(settings: Settings) -> dict[str, Any] | None:
    if settings.github_client_id != DEMONSTRATION:
        return None
    return {
        "recordings": [
            name for name in settings.repositories if not name.startswith(f"{INVENTED_OWNER}/")
        ],
        "speed": settings.demonstration_speed,
        "used_up": _is_used_up(settings),
    }


def _is_used_up(settings: Settings) -> bool | None:
    """What the stand-in says, which is asked once a minute: anybody may ask this route."""
    known: bytes | None = cache.get(_USED_UP)
    if known is None:
        try:
            recordings = standin_status(settings.github_api_url)["recordings"]
        except requests.RequestException:
            return None
        known = to_json(all(recording["used_up"] for recording in recordings))
        cache.set(_USED_UP, known, timeout=_LOOK_SECONDS)
    return known == to_json(True)


def _entries(connection: Connection, page: Page) -> list[dict[str, Any]]:
    after, parameters = _ENTRIES.after(page.after)
    query = sql.SQL(
        """
        select
            entries.entry_id, entries.happened_at, entries.action, entries.user_id, users.login,
            entries.token_id, entries.repository_id, entries.details, {keys}
        from app.audit_log as entries
        left join app.users using (user_id)
        where {after}
        order by {order}
        limit %(limit)s
        """
    ).format(keys=_ENTRIES.keys, after=after, order=_ENTRIES.clause)
    parameters["limit"] = page.limit + 1
    return connection.execute(query, parameters).fetchall()
