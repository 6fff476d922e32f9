"""What `doctor` says of servers that others run for an installation: whether they are reached, and
what their administrators have to set.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from actionsight.database import Session, connect
from actionsight.findings import Finding
from actionsight.settings import PREFIX, VERIFYING, Settings, is_loopback, sslmode_of

_POSTGRESQL = ("database_url", "read_database_url", "api_database_url", "dagster_database_url")
_REDIS = ("redis_url", "cache_url")
# What a session of the API's asks for, and behind a pooler has to be its role's.
_TIMEOUTS = {"statement_timeout": "10s", "idle_in_transaction_session_timeout": "1min"}

# A replica that is further behind shows old numbers, and says so.
LATE_SECONDS = 60


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at the addresses of the settings, as they were loaded."""
    yield from transport_findings(settings)
    if settings.api_database_url:
        yield _role("PostgreSQL for the API", settings.api_database_url, _timeouts)
    if settings.dagster_database_url:
        yield _role("Dagster's database", settings.dagster_database_url, _answers)
    if settings.read_database_url:
        yield _replica(settings.read_database_url, settings.database_url)
    yield from secret_key_findings(settings)


def transport_findings(settings: Settings) -> Iterator[Finding]:
    """Whether what goes to other machines can be read, or taken, on the way."""
    for name in (*_POSTGRESQL, *_REDIS):
        url: str | None = getattr(settings, name)
        if url is None or not _leaves_this_machine(url) or _is_verified(url):
            continue
        remedy = (
            "write rediss:// for redis://"
            if name in _REDIS
            else "add ?sslmode=verify-full to the address"
        )
        yield Finding(
            "TLS",
            f"{PREFIX}{name.upper()} leads to another machine, and nobody checks which one "
            f"answers: {remedy}, and name a private authority by {PREFIX}CA_FILE",
            is_warning=True,
        )


def secret_key_findings(settings: Settings) -> Iterator[Finding]:
    """Whether several servers of the API can read what each other wrote."""
    if settings.secret_key is None and (settings.database_url or settings.cache_url):
        yield Finding(
            "Secret key",
            f"made in {settings.data_dir}, where no other machine finds it: one API server alone "
            f"reads sessions and cached answers; for several set {PREFIX}SECRET_KEY, the same for "
            "all of them, to what `openssl rand -hex 32` says (to go on with this one, to what "
            f"{settings.data_dir / 'secret-key'} holds)",
            is_warning=True,
        )


def unreachable(error: Exception) -> str:
    """What to do where a server cannot be reached."""
    says = f"cannot be reached: {str(error).strip()}"
    if "certificate" in says or "SSL" in says:
        says += f" (its authority is named by {PREFIX}CA_FILE, its own name by the address)"
    return says


def pooler_finding() -> Finding:
    """That somebody stands between, and what is different then."""
    return Finding(
        "PostgreSQL",
        "a pooler stands before it: nothing is asked of a session that would outlive a "
        "transaction; a run holds a connection of it for each of its locks",
    )


def _leaves_this_machine(url: str) -> bool:
    if url.startswith("postgres"):
        host = str(conninfo_to_dict(url).get("host", "/"))
        return not (host.startswith("/") or is_loopback(host))
    hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
    names = [urlsplit(f"//{host}").hostname for host in hosts if host]
    return any(name and not is_loopback(name) for name in names)


def _is_verified(url: str) -> bool:
    return url.startswith("rediss") or sslmode_of(url) in VERIFYING


def _role(subject: str, url: str, look: Callable[[Session[Any]], dict[str, Any]]) -> Finding:
    try:
        with connect(url, connect_timeout=5) as connection:
            return Finding(subject, **look(connection))
    except psycopg.OperationalError as error:
        return Finding(subject, unreachable(error), is_wrong=True)


def _answers(_: Session[Any]) -> dict[str, Any]:
    return {"says": "answers"}


def _timeouts(connection: Session[Any]) -> dict[str, Any]:
    missing = [
        name
        for name in _TIMEOUTS
        if connection.execute("select current_setting(%s)", [name]).fetchone() == ("0",)
    ]
    if not connection.is_pooled or not missing:
        return _answers(connection)
    role = connection.info.user
    lacking = "; ".join(f"alter role {role} set {name} = '{_TIMEOUTS[name]}'" for name in missing)
    return {
        "says": f"a pooler drops what a session asks for, so its role has to have it: {lacking}",
        "is_warning": True,
    }


def _replica(url: str, primary_url: str | None) -> Finding:
    subject = "Read replica"
    try:
        with connect(url, connect_timeout=5) as connection:
            row = connection.execute(
                """
                select
                    pg_is_in_recovery(),
                    pg_last_wal_replay_lsn(),
                    extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())
                """
            ).fetchone()
    except psycopg.OperationalError as error:
        return Finding(
            subject, f"{unreachable(error)}; the API asks the database itself", is_warning=True
        )
    in_recovery, replayed, age_seconds = row or (False, None, None)
    if not in_recovery:
        return Finding(
            subject,
            f"{PREFIX}READ_DATABASE_URL is no replica: it names the primary server, or another",
            is_warning=urlsplit(url)[1:3] != urlsplit(primary_url or "")[1:3],
        )
    behind = _bytes_behind(replayed, primary_url)
    if not behind:
        return Finding(subject, "has all that the primary server has")
    return Finding(
        subject,
        f"is {behind:,} bytes behind; the newest that it has is {age_seconds or 0:,.0f} s old",
        is_warning=(age_seconds or 0) > LATE_SECONDS,
    )


def _bytes_behind(replayed: str | None, primary_url: str | None) -> int:
    if primary_url is None or replayed is None:
        return 0
    try:
        with connect(primary_url, connect_timeout=5) as connection:
            row = connection.execute(
                "select pg_wal_lsn_diff(pg_current_wal_lsn(), %s::pg_lsn)", [replayed]
            ).fetchone()
    except psycopg.Error:
        return 0  # the primary has a finding of its own
    return int(row[0]) if row else 0
