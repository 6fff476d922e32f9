"""After the sign-in nobody comes out at another site."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from api.sign_in.next_path import LONGEST_PATH, NEXT_SCHEMA, next_path
from tests.api.sign_in.browser import ROOT, Browser

ATTACKS = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/\r\nSet-Cookie: a=b",
    "/\x00",
    "/\x7f",
    "https://evil.example",
    "https:evil.example",
    "http:/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "@evil.example",
    ".evil.example",
    ":80@evil.example",
    "",
    "?a=b",
    "#part",
    "/ü",
    "/\u2028",
    "/\uff0fevil.example",
    "/ a",
    "/" + "a" * LONGEST_PATH,
]
PATHS = ["/", "/me", "/stats?group_by=day&repository=a%2Fb", "/a#b", "/%5Cevil", "/a//b", "/@evil"]


def seen_by_browsers(location: str) -> str:
    """The address without what browsers drop or read otherwise (WHATWG URL)."""
    dropped = location.strip("".join(map(chr, range(33)))).translate(
        dict.fromkeys(map(ord, "\t\r\n"))
    )
    return dropped.replace("\\", "/")


def is_taken(value: str) -> bool:
    try:
        return next_path(value) == value
    except ValueError:
        return False


@pytest.mark.unit
@pytest.mark.parametrize("value", ATTACKS)
def test_what_leads_elsewhere_is_refused(value: str) -> None:
    assert not is_taken(value)
    assert not Draft202012Validator(NEXT_SCHEMA).is_valid(value), "the document says so, too"


@pytest.mark.unit
@pytest.mark.parametrize("value", PATHS)
def test_a_path_is_taken(value: str) -> None:
    assert is_taken(value)
    assert Draft202012Validator(NEXT_SCHEMA).is_valid(value)


@pytest.mark.unit
@given(
    st.text(max_size=20)
    | st.text(alphabet="/\\:@.?#%eE \t\r\n\x00htps5cC2fF", max_size=12).map(lambda rest: "/" + rest)
)
@example("/..//evil.example")
@example("/.//evil.example")
def test_whatever_is_taken_stays_on_this_origin(value: str) -> None:
    assert is_taken(value) is Draft202012Validator(NEXT_SCHEMA).is_valid(value)
    if is_taken(value):
        for location in (ROOT + value, urljoin(ROOT, value)):
            parts = urlsplit(seen_by_browsers(location))
            assert (parts.scheme, parts.netloc) == ("http", "127.0.0.1:8000")


@pytest.mark.integration
@pytest.mark.parametrize("value", ["//evil.example", "/\\evil.example", "https://evil.example", ""])
@pytest.mark.parametrize("place", ["form", "query"])
def test_a_sign_in_that_would_lead_elsewhere_does_not_begin(
    browser: Browser, value: str, place: str
) -> None:
    if place == "form":
        response = browser.post("/login", data={"next": value})
    else:
        response = browser.client.post(
            "/login", base_url=ROOT, headers={"Origin": ROOT}, query_string={"next": value}
        )
    assert response.status_code == 400
    assert response.json is not None
    (error,) = response.json["errors"]
    assert error["parameter"] == "next"
    assert "one slash" in error["detail"]
    assert not response.headers.getlist("Set-Cookie")
