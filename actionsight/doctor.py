"""`actionsight doctor`: how an installation is set up, what works, and what to do otherwise.

Looks only: it starts no server and changes nothing.
"""

import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import psycopg
import redis

from actionsight import outside_services
from actionsight.database import connect
from actionsight.event_buffer import EventBuffer
from actionsight.findings import Finding
from actionsight.local import PostgresqlServer, ValkeyServer
from actionsight.local.dagster_home import MissingPackagesError
from actionsight.local.installation import DEMONSTRATION, shows_demonstration
from actionsight.local.valkey import CACHE, EVENT_BUFFER
from actionsight.local.worker import WorkerError, count_answering
from actionsight.outside_services import pooler_finding, unreachable
from actionsight.redeliveries import count_given_up
from actionsight.redis_client import connect as connect_redis
from actionsight.repositories import list_monitored
from actionsight.settings import (
    LONG_ENOUGH_WEBHOOK_SECRET,
    Settings,
    files_of_secrets,
    is_loopback,
)
from actionsight.silent_hooks import list_silent
from actionsight.webhook_events import RECEIVER_PATH

OLDEST_POSTGRESQL = 15
OLDEST_REDIS = (6, 2)  # of what it speaks; Valkey says one, too
# A drain comes round every five seconds.
LATE_SECONDS = 60
STUCK_SECONDS = 600
NOT_RUNNING = "embedded, not running now: `make up` starts it"


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, in the order in which an installation needs it."""
    demonstration = shows_demonstration(settings)
    folder = settings.data_dir / DEMONSTRATION if demonstration else settings.data_dir
    yield Finding("Data", f"in {folder}")
    yield from file_findings(settings.data_dir)
    yield from address_findings(settings)
    found = with_running_servers(settings)
    yield from _github(found, demonstration=demonstration)
    yield from _database(found.database_url, PostgresqlServer(folder / "postgres"))
    if not demonstration:
        yield from outside_services.findings(settings)
    if found.redis_url is not None and found.redis_url == found.cache_url:
        yield Finding(
            "Redis",
            "ACTIONSIGHT_REDIS_URL and ACTIONSIGHT_CACHE_URL name one server: what may be evicted "
            "and what must be kept are settings of a whole server, so give the cache its own",
            is_warning=True,
        )
    yield from webhook_findings(settings, demonstration=demonstration)
    yield from lost_webhook_findings(found)
    yield from event_buffer_findings(found.redis_url)
    yield redis_finding("Cache", found.cache_url)
    if found.runs_broker_url is not None:
        yield worker_finding(found.runs_broker_url)


def with_running_servers(settings: Settings) -> Settings:
    """The settings with the addresses of the embedded servers that run now; None: it does not."""
    folder = settings.data_dir
    if shows_demonstration(settings):
        folder /= DEMONSTRATION
        settings = replace(
            settings, database_url=None, redis_url=None, cache_url=None, runs_broker_url=None
        )
    buffer = ValkeyServer(folder / "event-buffer", "", EVENT_BUFFER)
    return replace(
        settings,
        database_url=settings.database_url or PostgresqlServer(folder / "postgres").running_url(),
        redis_url=settings.redis_url or buffer.running_url(),
        cache_url=settings.cache_url or ValkeyServer(folder / "cache", "", CACHE).running_url(),
    )


def file_findings(data_dir: Path) -> Iterator[Finding]:
    """Whether other users of this machine read what they should not."""
    for file in [*files_of_secrets(), *filter(Path.exists, [data_dir])]:
        if file.stat().st_mode & stat.S_IROTH:
            yield Finding(
                "Files",
                f"every user of this machine can read {file}: `chmod -R o-rwx {file}`",
                is_warning=True,
            )


def address_findings(settings: Settings) -> Iterator[Finding]:
    """Whether the API knows how it is reached, and who else reaches what."""
    is_https = settings.public_root.startswith("https://")
    if not is_loopback(settings.host) and not is_https:
        yield Finding(
            "Address",
            f"ACTIONSIGHT_HOST ({settings.host}) lets other machines connect, and no "
            "ACTIONSIGHT_PUBLIC_URL with https says that they come by a proxy: tokens would cross "
            "the network in clear, and only this machine's own names are answered. Set it to the "
            "proxy's address, and let nothing but the proxy reach the port",
            is_warning=True,
        )
    if not is_loopback(settings.dagster_host):
        yield Finding(
            "Dagster's pages",
            f"ACTIONSIGHT_DAGSTER_HOST ({settings.dagster_host}) lets other machines connect, and "
            "they have no sign-in: whoever reaches the port reads names of private repositories"
            + (", and starts and deletes runs" if settings.dagster_writable else ""),
            is_warning=True,
            is_wrong=settings.dagster_writable,
        )
    if is_https and settings.proxy_count == 0:
        yield Finding(
            "Proxy",
            "ACTIONSIGHT_PUBLIC_URL is https, which a proxy must end, and ACTIONSIGHT_PROXY_COUNT "
            "is 0: all people share the proxy's address and its limits; set it to 1",
            is_warning=True,
        )


def _github(settings: Settings, *, demonstration: bool) -> Iterator[Finding]:
    """What each credential reads, by the client with which it is collected."""
    if demonstration:
        yield Finding(
            "GitHub",
            "no credential, so recorded history is shown; set ACTIONSIGHT_GITHUB_APP_ID and "
            "ACTIONSIGHT_GITHUB_APP_PRIVATE_KEY to an App's, or ACTIONSIGHT_GITHUB_TOKEN to a "
            "token, that may read Metadata and Actions",
            is_warning=True,
        )
        return
    # The other commands do not pay for importing it.
    from actionsight.github import diagnostics
    from actionsight.github.credential_router import CredentialRouter

    with closing(CredentialRouter(settings, retry_policy=diagnostics.RETRY_POLICY)) as router:
        yield from diagnostics.check(router, _monitored_names(settings) or settings.repositories)


def _monitored_names(settings: Settings) -> list[str]:
    """What is monitored as far as that can be known: the database has a finding of its own."""
    if settings.database_url is None:
        return list(settings.repositories)
    try:
        with connect(settings.database_url) as connection:
            return [repository.name for repository in list_monitored(connection)]
    except psycopg.Error:
        return list(settings.repositories)


def _database(url: str | None, embedded: PostgresqlServer) -> Iterator[Finding]:
    if url is None:
        foreign = embedded.foreign_files()
        yield Finding(
            "PostgreSQL", foreign or NOT_RUNNING, is_wrong=foreign is not None, is_warning=True
        )
        return
    try:
        with connect(url) as connection:
            version = connection.info.server_version // 10_000
            yield Finding(
                "PostgreSQL",
                f"version {version}"
                + ("" if version >= OLDEST_POSTGRESQL else f": {OLDEST_POSTGRESQL} is the oldest"),
                is_wrong=version < OLDEST_POSTGRESQL,
            )
            role, is_super = connection.execute(
                "select current_user, rolsuper from pg_roles where rolname = current_user"
            ).fetchone() or ("", False)
            if is_super:
                yield Finding(
                    "PostgreSQL's roles",
                    f"the role {role} is a superuser, so whoever gets hold of it has the machine: "
                    "docs/operators.md, Roles, says how to have one for each part",
                    is_warning=True,
                )
            if connection.is_pooled:
                yield pooler_finding()
            migrated = connection.execute("select to_regclass('app.repositories')").fetchone()
            if migrated == (None,):
                yield Finding("Schema", "not there: run `actionsight migrate`", is_wrong=True)
                return
            monitored = list_monitored(connection)
            dead_letters = count_dead_letters(connection)
    except psycopg.OperationalError as error:
        yield Finding("PostgreSQL", unreachable(error), is_wrong=True)
        return
    if dead_letters:
        yield Finding(
            "Dead letters",
            f"{dead_letters:,} webhooks could not be processed: `actionsight dead-letters list` "
            "says why, `replay` tries again",
            is_warning=True,
        )
    if not monitored:
        yield Finding(
            "Repositories",
            "none is monitored: `actionsight repositories add owner/name`",
            is_warning=True,
        )
    for repository in monitored:
        yield Finding(
            repository.name,
            repository.trouble
            or (
                f"observed until {repository.observed_until:%Y-%m-%d %H:%M} UTC"
                if repository.observed_until
                else "not collected yet"
            ),
            is_wrong=repository.trouble is not None,
        )


def count_dead_letters(connection: psycopg.Connection[Any]) -> int:
    """How many deliveries wait for a person, discarded ones left out."""
    row = connection.execute(
        """
        select count(*) from raw.webhook_dead_letters where discarded_at is null
        """
    ).fetchone()
    return int(row[0]) if row else 0


def webhook_findings(settings: Settings, *, demonstration: bool) -> Iterator[Finding]:
    """Whether webhooks are accepted, and by how good a secret."""
    if demonstration:
        yield Finding("Webhooks", "sent by GitHub's stand-in, with a secret of their own")
    elif not settings.github_webhook_secret:
        yield Finding(
            "Webhooks",
            "none are accepted, numbers come by polling alone: set "
            "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET to what GitHub signs them with",
            is_warning=True,
        )
    else:
        if any(len(s) < LONG_ENOUGH_WEBHOOK_SECRET for s in settings.github_webhook_secret):
            yield Finding(
                "Webhooks' secret",
                f"has fewer than {LONG_ENOUGH_WEBHOOK_SECRET} characters, which can be guessed: "
                "`openssl rand -hex 32` makes a better one",
                is_warning=True,
            )
        rotating = (
            " by one of two secrets: `actionsight hooks rotate` gives the first to all webhooks of "
            "ours, and says when the second can go"
        )
        yield Finding(
            "Webhooks",
            "accepted when signed" + (rotating if len(settings.github_webhook_secret) > 1 else ""),
        )


def lost_webhook_findings(settings: Settings) -> Iterator[Finding]:
    """What webhooks do not tell: ours that are silent while polls find runs, and deliveries that
    GitHub was asked for in vain."""
    if settings.database_url is None:
        return
    try:
        with connect(settings.database_url, connect_timeout=5) as connection:
            silent = list_silent(connection)
            given_up_count = count_given_up(connection)
    except psycopg.Error:
        return  # the database has a finding of its own
    for hook in silent:
        page = f"{settings.github_url}/{hook.full_name}/settings/hooks/{hook.hook_id}"
        yield Finding(
            f"Webhook of {hook.full_name}",
            f"has told nothing since {hook.since:%Y-%m-%d %H:%M} UTC, while polls found "
            f"{hook.run_count:,} runs: see its recent deliveries at {page}",
            is_warning=True,
        )
    if given_up_count:
        yield Finding(
            "Redeliveries",
            f"{given_up_count:,} deliveries that failed were asked for again in vain, and given up "
            "in the last three days; polls find what they told. See whether GitHub reaches "
            f"{settings.public_root}{RECEIVER_PATH}: the webhooks' recent deliveries there say "
            "what answered",
            is_warning=True,
        )


def event_buffer_findings(url: str | None, *, is_up: bool = False) -> Iterator[Finding]:
    """Whether the buffer answers, keeps what it acknowledged, and is drained."""
    answers = redis_finding("Event buffer", url, is_up=is_up)
    yield answers
    if url is None or answers.is_wrong:
        return
    yield from _durability(url)
    buffer = EventBuffer(url)
    try:
        freshness = buffer.freshness()
        is_full = buffer.is_full()
    except redis.RedisError as error:
        yield Finding("Event buffer", f"cannot be read: {error}", is_wrong=True)
        return
    finally:
        buffer.close()
    if is_full:
        yield Finding(
            "Event buffer",
            "is full, so webhooks are refused (503) until a drain has made room",
            is_wrong=True,
        )
    if freshness.oldest_received_at is None:
        return
    age_seconds = (datetime.now(UTC) - freshness.oldest_received_at).total_seconds()
    yield Finding(
        "Event buffer",
        f"{freshness.event_count:,} events wait, the oldest for {age_seconds:,.0f} s"
        + (": `make up` or `actionsight sync` drains them" if age_seconds > LATE_SECONDS else ""),
        is_warning=age_seconds > LATE_SECONDS,
        is_wrong=age_seconds > STUCK_SECONDS,
    )


def _durability(url: str) -> Iterator[Finding]:
    wanted = dict(map(str.split, EVENT_BUFFER))
    try:
        with connect_redis(url, timeout_seconds=5) as client:
            found = cast(dict[str, str], client.config_get(*wanted))
    except redis.RedisError:
        return  # a managed server does not tell
    wrong = [f"{name} {value}" for name, value in wanted.items() if found.get(name) != value]
    if wrong:
        yield Finding(
            "Event buffer",
            f"may lose events that it acknowledged: set {', '.join(wrong)} on its server",
            is_warning=True,
        )


def redis_finding(subject: str, url: str | None, *, is_up: bool = False) -> Finding:
    """Whether a server of the Redis protocol answers; where all is up, each has to run."""
    if url is None:
        return Finding(subject, NOT_RUNNING, is_warning=True, is_wrong=is_up)
    try:
        with connect_redis(url, timeout_seconds=5) as client:
            version = str(client.info("server")["redis_version"])
    except redis.ResponseError:
        return Finding(subject, "answers")  # a managed server does not tell
    except redis.RedisError as error:
        return Finding(subject, unreachable(error), is_wrong=True)
    if tuple(map(int, version.split(".")[:2])) < OLDEST_REDIS:
        oldest = ".".join(map(str, OLDEST_REDIS))
        return Finding(subject, f"version {version}: {oldest} is the oldest", is_wrong=True)
    return Finding(subject, "answers")


def worker_finding(broker_url: str) -> Finding:
    """Whether there are workers, where Dagster's runs go to some."""
    try:
        count = count_answering(broker_url)
    except (WorkerError, MissingPackagesError) as error:
        return Finding("Workers", str(error), is_wrong=True)
    if count == 0:
        return Finding(
            "Workers",
            "none answers, so no run is done, and each is failed: `actionsight worker` starts one",
            is_wrong=True,
        )
    return Finding("Workers", "1 answers" if count == 1 else f"{count:,} answer")
