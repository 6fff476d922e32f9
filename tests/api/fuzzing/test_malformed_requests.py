"""Requests that no client sends: whatever stands where, none of it is a fault of ours.

ACTIONSIGHT_TEST_CASES=10000 pytest tests/api/fuzzing/test_malformed_requests.py
"""

import os
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from werkzeug.test import create_environ, run_wsgi_app

from api.errors import PROBLEM_JSON
from tests.api.client import bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

CASES = int(os.environ.get("ACTIONSIGHT_TEST_CASES", "100"))
PATHS = [
    "/",
    "/stats",
    "/stats.csv",
    "/runs",
    "/runs/1",
    "/runs/1/failures",
    "/workflows/1/timeline",
    "/search",
    "/repositories",
    "/repositories/1/data",
    "/tokens",
    "/sessions/\u0000",
    "/me",
    "/login",
    "/logout",
    "/login/github/authorized",
    "/metrics",
    "/docs",
    "/app/assets/a.js",
    "/webhooks/github",
    "//stats",
    "/stats/",
    "/runs/\u00ff",
    "*",
    "",
]
# What the server lets through of a header: one line of Latin-1.
LINE = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n\x00"), max_size=60)
MADE_UP = "n0_Session-or.token-that-was-ever-given"


@st.composite
def mutated(draw: st.DrawFn, *texts: str) -> str:
    """One of the texts, with a part of it replaced."""
    text = draw(st.sampled_from(texts))
    begin = draw(st.integers(0, len(text)))
    end = draw(st.integers(begin, len(text)))
    return text[:begin] + draw(LINE) + text[end:]


def queries(*tokens: str) -> st.SearchStrategy[str]:
    """Query strings: what a page's token became, words of ours, bytes in any encoding or none."""
    escaped = st.binary(max_size=8).map(lambda given: "".join(f"%{byte:02x}" for byte in given))
    values = st.one_of(escaped, LINE, mutated(*tokens, "2026-01-01T00:00:00Z", "7d", "@default"))
    names = st.sampled_from(
        [
            "next",
            "from",
            "to",
            "period",
            "group_by",
            "limit",
            "sort",
            "q",
            "branch",
            "state",
            "code",
        ]
    )
    pairs = st.tuples(st.one_of(names, names, names, escaped, LINE), values).map("=".join)
    separators = st.sampled_from(["&", "&", ";", "&&"])
    return st.tuples(separators, st.lists(pairs, max_size=4)).map(lambda two: two[0].join(two[1]))


def headers(tag: str, token: str) -> st.SearchStrategy[dict[str, str]]:
    """At most three headers, by their names in a WSGI environment: of more, one is always refused
    before the others are read."""
    cookie = f"session={MADE_UP}; csrf={MADE_UP}; sign-in-0123456789abcdef={MADE_UP}"
    values = {
        "HTTP_AUTHORIZATION": (f"Bearer {token}", f"Bearer {MADE_UP}", f"Basic {MADE_UP}"),
        "HTTP_COOKIE": (cookie, f"__Host-{cookie}", 'session="\\071\\";', "session=;;=,"),
        "HTTP_HOST": ("127.0.0.1:8000", "[::1]:8000", "localhost:99999", "xn--\u00e4", "a..b:"),
        "HTTP_IF_NONE_MATCH": (tag, f"W/{tag}", f'{tag}, "other"', "*"),
        "HTTP_IF_MODIFIED_SINCE": ("Sat, 29 Oct 1994 19:43:31 GMT",),
        "HTTP_RANGE": ("bytes=0-9", "bytes=-1,5-", "bytes=99999999999999999999-"),
        "HTTP_IF_RANGE": (tag,),
        "HTTP_ACCEPT": ("text/csv;q=0.5, */*;q=1", "application/json;q=x", "*/html"),
        "HTTP_ACCEPT_ENCODING": ("gzip;q=0, identity;q=0", "gzip, br;q=nan"),
        "HTTP_ORIGIN": ("http://127.0.0.1:8000", "null", "https://[::1", "file://"),
        "HTTP_X_CSRF_TOKEN": (MADE_UP,),
        "HTTP_X_FORWARDED_FOR": ("192.0.2.1, ::1",),
        "HTTP_X_REQUEST_ID": ("request-1",),
        "HTTP_X_HUB_SIGNATURE_256": ("sha256=" + "0" * 64,),
        "HTTP_X_GITHUB_EVENT": ("push",),
        "HTTP_X_GITHUB_DELIVERY": ("72d3162e-cc78-11e3-81ab-4c9367dc0958",),
        "CONTENT_TYPE": ("application/json", "multipart/form-data; boundary=", "text/\u00ff"),
        "CONTENT_LENGTH": ("0", "1", "-1", "1e3", "99999999999999999999"),
        "REMOTE_ADDR": ("192.0.2.1", "2001:db8::1"),
    }
    fields = st.sampled_from(list(values)).flatmap(
        lambda name: st.tuples(
            st.just(name), st.one_of(st.sampled_from(values[name]), mutated(*values[name]))
        )
    )
    return st.lists(fields, max_size=3).map(dict)


def test_whatever_a_request_holds_it_is_answered_without_a_fault(
    app: Flask, marts: Marts, token: str
) -> None:
    marts.repository(1, "acme/one", observed_until="2026-01-07 10:00Z")
    marts.workflow(1, 1, "Build")
    for number in (1, 2):
        marts.run(number, 1, "2026-01-01 00:00", duration_seconds=60)
    page = app.test_client().get("/runs?limit=1&from=2026-01-01", headers=bearer(token))
    tag, next_page = page.headers["ETag"], page.get_json()["next"]
    methods = st.one_of(
        *[st.just("GET")] * 3,
        st.sampled_from(["HEAD", "OPTIONS", "POST", "DELETE", "PUT", "TRACE", "get", "M-X"]),
        st.text(st.characters(codec="ascii", categories=["Lu"]), max_size=9),
    )

    @given(
        method=methods,
        path=st.one_of(*[st.sampled_from(PATHS)] * 3, mutated(*PATHS)),
        query=queries(next_page),
        given=headers(tag, token),
        body=st.one_of(st.just(b""), st.just(b'{"full_name": 1}'), st.binary(max_size=40)),
        is_signed_in=st.booleans(),
    )
    @hypothesis_settings(
        max_examples=CASES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(
        method: str, path: str, query: str, given: Any, body: bytes, is_signed_in: bool
    ) -> None:
        environ = create_environ("/", data=body)
        environ.update(REQUEST_METHOD=method, PATH_INFO=_raw(path), QUERY_STRING=_raw(query))
        if is_signed_in:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        environ.update(given)
        chunks, status, answered = run_wsgi_app(app, environ, buffered=True)
        assert int(status[:3]) < 500, b"".join(chunks)
        assert answered["X-Request-Id"]
        if int(status[:3]) >= 400 and method != "HEAD":
            assert answered.get("Content-Type", "").startswith(PROBLEM_JSON), status

    ask()


def _raw(address: str) -> str:
    """A part of an address as WSGI has it; of what is no UTF-8 the server itself says 400."""
    return address.encode().decode("latin-1")
