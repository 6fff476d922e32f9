"""How the profile reads the environment: what dbt connects to."""

import os
import warnings
from argparse import Namespace
from typing import Any
from urllib.parse import quote

import pytest

from actionsight.settings import ROOT
from tests.support.outside_services import PASSWORD

pytestmark = pytest.mark.unit


def credentials(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Any:
    for name in ("ACTIONSIGHT_DATABASE_URL", "ACTIONSIGHT_DATA_DIR", "ACTIONSIGHT_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dbt.config.runtime import load_profile
        from dbt.flags import set_from_args
        from dbt_common.context import set_invocation_context

    set_invocation_context(dict(os.environ))
    set_from_args(Namespace(PROFILES_DIR=str(ROOT), PROJECT_DIR=str(ROOT)), None)
    return load_profile(str(ROOT), {}, None, None, None).credentials


def _address(found: Any) -> list[Any]:
    return [found.host, found.port, found.user, found.password, found.database, found.sslmode]


@pytest.mark.parametrize(
    "url, expected",
    [
        (
            "postgresql://me:pw@db.example:6000/name",
            ["db.example", 6000, "me", "pw", "name", "prefer"],
        ),
        (
            "postgresql://a%40b:p%3Aa%2F%E2%82%AC%22%5C@[::1]/d%20b?sslmode=verify-full",
            ["::1", 5432, "a@b", 'p:a/€"\\', "d b", "verify-full"],
        ),
        (
            f"postgresql://me:{quote(PASSWORD, safe='')}@h/name",
            ["h", 5432, "me", PASSWORD, "name", "prefer"],
        ),
        ("postgresql://me:123@h/name", ["h", 5432, "me", "123", "name", "prefer"]),
        (
            "postgresql://me@/name?host=%2Frun%2Fpostgresql&port=77",
            ["/run/postgresql", 77, "me", "none", "name", "prefer"],
        ),
    ],
    ids=[
        "plain",
        "percent-encoded",
        "all that is special",
        "a password of digits",
        "over a socket",
    ],
)
def test_an_address_is_taken_apart(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: list[Any]
) -> None:
    assert _address(credentials(monkeypatch, ACTIONSIGHT_DATABASE_URL=url)) == expected


def test_without_an_address_it_is_the_embedded_server(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = [5432, "actionsight", "none", "actionsight", "prefer"]

    assert _address(credentials(monkeypatch)) == [f"{ROOT}/var/socket", *rest]
    elsewhere = credentials(monkeypatch, ACTIONSIGHT_DATA_DIR="/data")
    assert _address(elsewhere) == ["/data/socket", *rest]


def test_a_private_authority_is_told_where_the_server_is_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def file_of(url: str) -> str:
        made = credentials(
            monkeypatch, ACTIONSIGHT_DATABASE_URL=url, ACTIONSIGHT_CA_FILE="/etc/our ca.pem"
        )
        return str(made.sslrootcert)

    verified = "postgresql://me:pw@h/name?sslmode=verify-full"
    assert file_of(verified) == "/etc/our ca.pem"
    assert file_of(f"{verified}&sslrootcert=%2Fown%20ca.pem") == "/own ca.pem"
    assert file_of("postgresql://me:pw@h/name") == ""
