"""Bare Flask views: what the server, Flask and a look at who asks cost by themselves."""

import pickle
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import redis
from flask import Flask, Response, abort, request

from actionsight.api_tokens import find_token
from actionsight.event_buffer import COMPRESSION_LEVEL, TIMEOUT_SECONDS
from actionsight.redis_client import connect
from actionsight.settings import load
from api.database import Database
from tests.support.questions import Statement

# In the folder that the server is given: by name the body of an answer and the SQL that gives it.
ANSWERS = "answers.pickle"

app = Flask(__name__, static_folder=None)


@app.post("/webhooks/github")
def post_webhook() -> Response:
    """Checks nothing; stores the same as the receiver in the same way."""
    _redis().xadd(
        "bare",
        {
            "headers": orjson.dumps(dict(request.headers)),
            "body": zlib.compress(request.get_data(), COMPRESSION_LEVEL),
        },
    )
    return Response(b'{"status":"accepted"}', 202, mimetype="application/json")


@app.get("/constant/<name>")
def get_constant(name: str) -> Response:
    """An answer as it was, for whoever has a token."""
    _authenticate()
    response = Response(_answers()[name][0], mimetype="application/json")
    response.headers["Content-Encoding"] = "gzip"
    return response


@app.get("/same-sql/<name>")
def get_same_sql(name: str) -> Response:
    """What the SQL of an answer gives, for whoever has a token."""
    _authenticate()
    with _database().snapshot() as connection:
        rows = [
            connection.execute(each.text.encode(), each.parameters).fetchall()
            for each in _answers()[name][1]
        ]
    return Response(orjson.dumps(rows, default=str), mimetype="application/json")


def _authenticate() -> None:
    token = request.authorization.token if request.authorization else None
    with _database().writing() as connection:
        if token is None or find_token(connection, token) is None:
            abort(401)


@cache
def _redis() -> redis.Redis:
    return connect(str(load().redis_url), timeout_seconds=TIMEOUT_SECONDS)


@cache
def _database() -> Database:
    url = str(load().database_url)
    return Database(url, url)


@cache
def _answers() -> dict[str, tuple[bytes, list[Statement]]]:
    found: Any = pickle.loads((Path(load().data_dir) / ANSWERS).read_bytes())  # noqa: S301 ours
    return dict(found)
