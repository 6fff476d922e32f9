"""An address means the same to everything that reads it, whatever is in its password."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import psycopg2
import pytest
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from redis.sentinel import SentinelConnectionPool, SentinelManagedSSLConnection
from sqlalchemy import create_engine, make_url, text

from actionsight import redis_client
from actionsight.database import connect, with_database
from actionsight.local.installation import dagster_database_url
from actionsight.settings import Settings, SettingsError, load
from ingestion.github.pipeline import Pipelines
from ingestion.github.schema import REPOSITORIES
from tests.support.outside_services import PASSWORD, make_certificates
from tests.support.services import Databases

ENCODED = quote(PASSWORD, safe="")


@pytest.mark.unit
def test_a_password_is_the_same_to_every_library() -> None:
    settings = load(
        environ={
            "ACTIONSIGHT_DATABASE_URL": f"postgresql://me:{ENCODED}@db.example:6000/name",
            "ACTIONSIGHT_REDIS_URL": f"rediss://:{ENCODED}@buffer.example:6379/0",
        }
    )
    url = str(settings.database_url)
    driver = make_url(dagster_database_url(settings))
    _, of_driver = driver.get_dialect()().create_connect_args(driver)
    cache = redis_client.connect(str(settings.redis_url), timeout_seconds=1)
    assert [
        conninfo_to_dict(url)["password"],
        psycopg2.extensions.parse_dsn(url)["password"],
        PostgresCredentials(url).password,
        of_driver["password"],
        cache.connection_pool.connection_kwargs["password"],
    ] == [PASSWORD] * 5
    assert of_driver["dbname"] == "dagster"
    assert with_database(url, "other") == url.replace("/name", "/other")
    assert with_database("postgresql:///name?host=/run", "other") == "postgresql:///other?host=/run"


@pytest.mark.unit
@pytest.mark.parametrize("character", ["@", "/", "#", "?", "%", " ", "[", ":/"])
def test_a_character_that_would_be_misread_is_an_error_that_says_how_to_write_it(
    character: str,
) -> None:
    for name, scheme in (("DATABASE_URL", "postgresql"), ("REDIS_URL", "redis")):
        if scheme == "redis" and character == "%":
            continue  # read as it is
        with pytest.raises(SettingsError, match="percent-encoded") as error:
            load(environ={f"ACTIONSIGHT_{name}": f"{scheme}://me:hid{character}den@host:1/0"})
        assert "hid" not in str(error.value)


@pytest.mark.unit
def test_an_address_of_several_hosts_says_what_to_name() -> None:
    with pytest.raises(SettingsError, match="must name one host"):
        load(environ={"ACTIONSIGHT_DATABASE_URL": "postgresql://me:pw@a:5432,b:5432/name"})


@pytest.mark.unit
def test_a_private_authority_is_told_to_whoever_verifies(tmp_path: Path) -> None:
    file = tmp_path / "a b.pem"
    make_certificates(tmp_path).authority.rename(file)

    def read(name: str, url: str) -> str:
        settings = load(environ={f"ACTIONSIGHT_{name}": url, "ACTIONSIGHT_CA_FILE": str(file)})
        found = str(getattr(settings, name.lower()))
        # A process that we start reads its settings again.
        again = load(environ=settings.environment())
        assert str(getattr(again, name.lower())) == found
        return found

    given = f"sslrootcert={quote(str(file))}"
    url = "postgresql://me:pw@host/name"
    assert (
        read("DATABASE_URL", f"{url}?sslmode=verify-full") == f"{url}?sslmode=verify-full&{given}"
    )
    assert read("DATABASE_URL", url) == url
    own = f"{url}?sslmode=verify-full&sslrootcert=system"
    assert read("API_DATABASE_URL", own) == own
    assert read("REDIS_URL", "redis://host:1/0") == "redis://host:1/0"
    client = redis_client.connect(read("CACHE_URL", "rediss://host:1/0"), timeout_seconds=1)
    assert client.connection_pool.connection_kwargs["ssl_ca_certs"] == str(file)
    sentinels = read("REDIS_URL", "rediss+sentinel://:pw@a:1,b/primary/2?sentinel_password=other")
    pool = redis_client.connect(sentinels, timeout_seconds=1).connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.connection_class is SentinelManagedSSLConnection
    assert (pool.service_name, pool.connection_kwargs["db"]) == ("primary", 2)
    assert pool.connection_kwargs["password"] == "pw"
    assert pool.connection_kwargs["ssl_ca_certs"] == str(file)
    asked = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"]) for each in asked] == [("a", 1), ("b", 26379)]
    assert {each["password"] for each in asked} == {"other"}
    assert {each["ssl_ca_certs"] for each in asked} == {str(file)}


@pytest.mark.unit
def test_sentinels_have_to_be_told_the_name_of_the_primary() -> None:
    with pytest.raises(SettingsError, match="redis\\+sentinel://:password@host:26379"):
        load(environ={"ACTIONSIGHT_REDIS_URL": "redis+sentinel://:pw@a:1,b:2"})


@pytest.fixture
def own_role_url(postgres_server: Databases, database_url: str) -> Iterator[str]:
    """The database as a role with that password."""
    role, place = "with a password", urlsplit(database_url)
    with connect(postgres_server.as_superuser(database_url), autocommit=True) as admin:
        admin.execute(
            sql.SQL("create role {} login superuser password {}").format(
                sql.Identifier(role), sql.Literal(PASSWORD)
            )
        )
        yield f"postgresql://{quote(role)}:{ENCODED}@127.0.0.1:{place.port}{place.path}"
        for statement in ("drop owned by {} cascade", "drop role {}"):
            admin.execute(sql.SQL(statement).format(sql.Identifier(role)))


@pytest.mark.integration
def test_everything_that_takes_an_address_apart_signs_in(
    own_role_url: str, settings: Settings
) -> None:
    asked = "select current_user"
    found: list[Any] = []
    with connect(own_role_url) as connection:
        found += connection.execute(asked).fetchall()
    for url in (
        own_role_url.replace("postgresql://", "postgresql+psycopg2://"),
        make_url(own_role_url).set(drivername="postgresql+psycopg"),  # as Alembic has it
    ):
        engine = create_engine(url)
        with engine.connect() as other:
            found += map(tuple, other.execute(text(asked)).fetchall())
        engine.dispose()
    assert found == [("with a password",)] * 3
    pipelines = Pipelines(own_role_url, settings.data_dir / "dlt", "test")
    assert pipelines.load("github_repositories", {REPOSITORIES: []})
    with psycopg.connect(own_role_url) as connection:
        assert connection.execute("select from raw._dlt_loads").rowcount > 0
