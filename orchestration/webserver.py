"""Dagster's pages, for people of this machine: `python -m orchestration.webserver`.

They have no sign-in, so whoever reaches the port may read; this is Dagster's own webserver, with
what keeps web pages and neighbours from doing more (docs/security.md). Its environment needs
Dagster's home and the address of Dagster's database, and no other secret.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from graphene import Schema
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from actionsight import logs
from actionsight.database import connect
from orchestration import liveness
from orchestration.code_server_watch import wait_for_code_servers, watch_every_few_seconds

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
GRAPHQL = "/graphql"
# They write, or read files, without GraphQL; nothing here uses them.
CLOSED = (
    "/report_asset_materialization/",
    "/report_asset_check/",
    "/report_asset_observation/",
    "/notebook",
    "/dagit/notebook",
    "/logs/",
)
STATEMENT_TIMEOUT_MILLISECONDS = 15_000


class Guard:
    """Refuses what no page of ours and no tool of this machine sends.

    A name that is not ours in `Host` is another site's that was pointed at this machine (DNS
    rebinding); an `Origin` that is not ours is another site's page; and what such a page can send
    without a word from us is a GET, a form or plain text, so GraphQL takes JSON by POST alone.

    Args:
        public_url: where a proxy serves these pages to people, if one does.
    """

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._schemes = dict.fromkeys(LOOPBACK, "http")
        if public_url is not None:
            public = urlsplit(public_url)
            self._schemes.setdefault(public.hostname or "", public.scheme)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse; a refused WebSocket is closed before it is accepted."""
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        scheme = self._schemes.get(_name(host))
        if scheme is None:
            return PlainTextResponse("This host is not served here.", 400)
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"{scheme}://{host.lower()}":
            return PlainTextResponse("Requests of other sites are refused.", 403)
        if scope["type"] == "websocket":
            return None
        if scope["path"].startswith(CLOSED):
            return PlainTextResponse("This route is closed.", 404)
        if scope["path"].rstrip("/") == GRAPHQL:
            if scope["method"] != "POST":
                return PlainTextResponse("GraphQL takes POST alone.", 405, {"Allow": "POST"})
            media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != "application/json":
                return PlainTextResponse("GraphQL takes application/json alone.", 415)
        return None


class Webserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's webserver behind the guard.

    Args:
        is_writable: whether GraphQL may start and change things.
        public_url: as the guard takes it.
    """

    def __init__(
        self, context: WorkspaceProcessContext, *, is_writable: bool, public_url: str | None
    ) -> None:
        self._is_writable = is_writable
        self._public_url = public_url
        super().__init__(context, live_data_poll_rate=2000)

    def build_middleware(self) -> list[Middleware]:
        """The guard stands before all else."""
        return [Middleware(Guard, public_url=self._public_url), *super().build_middleware()]

    def build_graphql_schema(self) -> Schema:
        """Dagster's schema; where nothing may be changed, without what changes things.

        Beside mutations that is the trial of a tick, which a query executes. Dagster checks most
        mutations by itself in its read-only mode; what is not there needs no check.
        """
        schema = super().build_graphql_schema()
        if not self._is_writable:
            types: Mapping[str, Any] = schema.graphql_schema.type_map
            schema.graphql_schema.mutation_type = None
            del types["DryRunInstigationTick"].fields["evaluationResult"]
        return schema


def serve(
    workspace: str, *, host: str, port: int, is_writable: bool, public_url: str | None
) -> None:
    """Serve the pages until a signal ends it."""
    logs.configure()
    watch_every_few_seconds()
    with DagsterInstance.get() as instance:
        # It sets the timeout for the session, which behind a pooler would be that of others, too.
        if not _stands_behind_pooler(instance):
            instance.optimize_for_webserver(
                STATEMENT_TIMEOUT_MILLISECONDS, pool_recycle=3600, max_overflow=20
            )
        wait_for_code_servers(workspace)
        with WorkspaceProcessContext(
            instance, WorkspaceFileTarget([workspace]), __version__, read_only=not is_writable
        ) as context:
            webserver = Webserver(context, is_writable=is_writable, public_url=public_url)
            uvicorn.run(
                webserver.create_asgi_app(),
                host=host,
                port=port,
                log_config=None,
                log_level="warning",
            )


def _stands_behind_pooler(instance: DagsterInstance) -> bool:
    database_url = liveness.database_url_of(instance)
    if database_url is None:
        return False
    with connect(database_url) as connection:
        return connection.is_pooled


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.webserver")
    parser.add_argument("--workspace", required=True, help="workspace.yaml of the code server")
    parser.add_argument("--host", default="127.0.0.1", help="the address at which to listen")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--public-url", help="where a proxy serves these pages to people")
    parser.add_argument("--writable", action="store_true", help="let GraphQL change things")
    given = parser.parse_args(arguments)
    serve(
        given.workspace,
        host=given.host,
        port=given.port,
        is_writable=given.writable,
        public_url=given.public_url,
    )


def _name(host: str) -> str:
    """The name or address in a `Host` header, without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


if __name__ == "__main__":
    main()
