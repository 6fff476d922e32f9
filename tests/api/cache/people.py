"""Viewers with different rights: a header narrows what the operator's token shows.

How rights come from GitHub is tested elsewhere; here it only matters that the sets differ.
"""

from dataclasses import replace
from typing import Any

from flask import Flask, g, request
from psycopg import Connection
from werkzeug.test import TestResponse

from actionsight.api_tokens import create_token
from tests.api.client import ValidatingClient, bearer, make_client

HEADER = "X-Test-Repositories"


class People:
    """Asks an application as viewers who may see these repositories, and no others."""

    def __init__(self, app: Flask, connection: Connection[Any]) -> None:
        self._client = make_client(app)
        self._connection = connection
        app.before_request(_narrow)
        self.renew()

    def renew(self) -> None:
        """Others with the same rights; their limits are their own."""
        self._token = create_token(self._connection, "people")[1]

    def ask(
        self, path: str, repository_ids: tuple[int, ...] = (1, 2, 3), tag: str | None = None
    ) -> TestResponse:
        """The answer for somebody who may see these repositories."""
        headers = bearer(self._token) | {HEADER: ",".join(map(str, repository_ids))}
        if tag is not None:
            headers["If-None-Match"] = tag
        client: ValidatingClient = self._client
        return client.get(path, headers=headers)

    def read(self, path: str, repository_ids: tuple[int, ...] = (1, 2, 3)) -> Any:
        """The body of an answer that must be a 200."""
        response = self.ask(path, repository_ids)
        assert response.status_code == 200, response.text
        return response.json


def _narrow() -> None:
    if "principal" in g:
        allowed = {int(part) for part in request.headers[HEADER].split(",") if part}
        visible = tuple(each for each in g.principal.repository_ids if each in allowed)
        g.principal = replace(g.principal, repository_ids=visible)
