"""One installation: which one a command means, its servers, and what its processes are told."""

import dataclasses
import fcntl
import json
import os
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from actionsight import migrations
from actionsight.local import (
    DemoSettings,
    EmbeddedServer,
    PostgresqlServer,
    StandinServer,
    ValkeyServer,
    dagster_home,
    hold,
    standin_status,
)
from actionsight.local.server import secret_in
from actionsight.local.valkey import CACHE, EVENT_BUFFER
from actionsight.loopback import HOST, without_proxy
from actionsight.migrations.grants import API_ROLE, DAGSTER_ROLE
from actionsight.settings import (
    API,
    COLLECTION,
    DAGSTER,
    ROOT,
    SETTINGS,
    Settings,
    SettingsError,
)

# The parts that open Dagster's storage.
DAGSTERS = {DAGSTER, COLLECTION}
DEMONSTRATION = "demonstration"


# Settings that mean an installation of one's own; places and paces mean nothing.
MEANT = {
    *("database_url", "read_database_url", "api_database_url", "dagster_database_url"),
    *("redis_url", "cache_url", "runs_broker_url"),
    *("github_api_url", "github_url", "github_token", "github_app_id", "github_app_private_key"),
    *("github_client_id", "github_client_secret", "github_webhook_secret"),
    *("repositories", "operators", "public_url", "secret_key"),
}
# What `services` starts or makes where no setting names it, and all processes share.
SHARED = {"database_url", "redis_url", "cache_url", "secret_key"}
# What a real installation leaves in its data folder; the demonstration has a folder of its own.
COLLECTED = ("postgres", "event-buffer", "dagster", "secret-key")


class CredentialError(RuntimeError):
    """Nothing says as whom GitHub is asked; the message says what to do."""


class CheckoutError(RuntimeError):
    """What only a checkout has is asked of an installed package; the message says what to do."""


class AlreadyRunningError(RuntimeError):
    """`actionsight up` runs already for this data folder."""


@dataclass(frozen=True)
class Running:
    """What an `actionsight up` that holds a data folder says of itself."""

    is_demonstration: bool = False
    receiver_port: int | None = None


def shows_demonstration(settings: Settings) -> bool:
    """Whether recorded history is shown, because nothing is configured and nothing was collected.

    A secret that cannot be read, say, must not show it in place of what was there yesterday. A
    running `actionsight up` decides for all commands beside it.
    """
    running = find_running(settings)
    if running is not None:
        return running.is_demonstration
    return _what_is_real(settings) is None


def check_checkout() -> None:
    """Raise where only a package is installed: dbt's project and Dagster's files are no part of it.

    Raises:
        CheckoutError: says what a package can do, and what the rest takes.
    """
    if not (ROOT / "dbt_project.yml").is_file():
        raise CheckoutError(
            "this is an installed package, which answers alone (`python -m actionsight.api_server "
            "PORT`) beside an installation; to collect and to build takes a checkout, in which "
            "`make up` starts everything"
        )


def check_github(settings: Settings) -> None:
    """Raise where a real installation has nobody as whom GitHub is asked.

    Another GitHub than the default one is meant, whoever asks: what it has may be public.

    Raises:
        CredentialError: says what was found, and what to do.
    """
    if settings.has_credential or "github_api_url" in _configured(settings):
        return
    raise CredentialError(
        "no GitHub credential is set (ACTIONSIGHT_GITHUB_TOKEN, or ACTIONSIGHT_GITHUB_APP_ID and "
        f"ACTIONSIGHT_GITHUB_APP_PRIVATE_KEY), although {_what_is_real(settings)}: set it, and see "
        "that .env and the files of secrets can be read; `actionsight up --demo` shows the "
        "demonstration"
    )


def _what_is_real(settings: Settings) -> str | None:
    """What says that a real installation is meant; None when nothing does."""
    configured = _configured(settings)
    if configured:
        names = [setting.name for setting in SETTINGS if setting.attribute in configured]
        return f"{names[0]} is set"
    if any((settings.data_dir / name).exists() for name in COLLECTED):
        return f"{settings.data_dir} holds an installation"
    return None


def _configured(settings: Settings) -> set[str]:
    """Which settings that say what is collected, from where and for whom differ from a default."""
    return {
        setting.attribute
        for setting in SETTINGS
        if setting.attribute in MEANT
        and getattr(settings, setting.attribute)
        != (None if setting.default is None else setting.parse(setting.default))
    }


@contextmanager
def claimed_by_up(settings: Settings, *, demonstration: bool) -> Generator[None]:
    """Hold the data folder as the one `actionsight up` that may run there.

    Raises:
        AlreadyRunningError: another one runs.
    """
    make_data_folder(settings.data_dir)
    with _lock_file(settings.data_dir).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(
                f"Actionsight runs already in {settings.data_dir}: end it first, or choose another "
                "folder by ACTIONSIGHT_DATA_DIR (and ports by ACTIONSIGHT_API_PORT and "
                "ACTIONSIGHT_DAGSTER_PORT)"
            ) from None
        say_running(settings, Running(demonstration, settings.receiver_port))
        yield


@dataclass(frozen=True)
class Services:
    """What an installation rests on, running.

    Attributes:
        settings: with every address filled in.
        servers: the embedded ones.
    """

    settings: Settings
    servers: tuple[EmbeddedServer, ...]


@contextmanager
def services(settings: Settings, *, demonstration: bool) -> Generator[Services]:
    """Hold the servers that are not configured elsewhere.

    The demonstration has a data folder, a database and a selection of its own, so that recorded
    and real data never mix.

    Raises:
        EmbeddedServerError: a server cannot be started.
    """
    servers: list[EmbeddedServer] = []
    make_data_folder(settings.data_dir)
    with ExitStack() as stack:

        def address_of(server: EmbeddedServer) -> str:
            servers.append(server)
            return stack.enter_context(hold(server))

        if demonstration:
            folder = settings.data_dir / DEMONSTRATION
            make_data_folder(folder)
            demo = DemoSettings(
                api_root=f"http://{HOST}:{settings.api_port}",
                webhook_secret=secret_in(folder / "webhook-secret"),
                client_id="demonstration",
                client_secret=secret_in(folder / "client-secret"),
                speed=settings.demonstration_speed,
            )
            standin = StandinServer(folder / "github-standin", demo)
            standin_url = address_of(standin)
            settings = dataclasses.replace(
                settings,
                data_dir=folder,
                database_url=None,
                read_database_url=None,
                api_database_url=None,
                dagster_database_url=None,
                redis_url=None,
                cache_url=None,
                runs_broker_url=None,
                dagster_yaml=None,
                github_api_url=standin_url,
                github_url=standin_url,
                github_token=None,
                github_app_id=None,
                github_app_private_key=None,
                github_client_id=demo.client_id,
                github_client_secret=demo.client_secret,
                github_webhook_secret=(demo.webhook_secret,),
                sign_in="everyone",
                public_url=demo.api_root,
                # Whoever reaches it signs in by a click.
                host=HOST,
                repositories=tuple(dict.fromkeys(standin_status(standin_url)["repositories"])),
            )
        folder = settings.data_dir
        database_url = settings.database_url
        if database_url is None:
            server = PostgresqlServer(folder / "postgres")
            database_url = address_of(server)
            if server.has_roles:
                settings = dataclasses.replace(
                    settings,
                    api_database_url=server.role_url(API_ROLE),
                    dagster_database_url=server.role_url(DAGSTER_ROLE, migrations.DAGSTER_DATABASE),
                )
            _link_socket(server, folder.parent if demonstration else folder)
        bound = f"maxmemory {settings.event_buffer_mb}mb"
        buffer = ValkeyServer(folder / "event-buffer", "the event buffer", (*EVENT_BUFFER, bound))
        cache = ValkeyServer(folder / "cache", "the cache", CACHE)
        settings = dataclasses.replace(
            settings,
            database_url=database_url,
            read_database_url=_read_database_url(settings, database_url),
            redis_url=settings.redis_url or address_of(buffer),
            cache_url=settings.cache_url or address_of(cache),
            secret_key=settings.secret_key or secret_in(folder / "secret-key"),
        )
        yield Services(settings, tuple(servers))


def alone(settings: Settings, part: str, *needed: str) -> Settings:
    """The settings of a process that runs by itself: with every address, of servers elsewhere.

    Args:
        part: the kind of process, as `environment` takes it.
        needed: what it needs beside what its kind does, as attributes.

    Raises:
        SettingsError: names all that is missing.
    """
    if part == API:
        settings = dataclasses.replace(
            settings, database_url=settings.api_database_url or settings.database_url
        )
    missing = [
        setting.name
        for setting in SETTINGS
        if setting.attribute in SHARED.union(needed)
        and part in (setting.told_to or ())
        and getattr(settings, setting.attribute) is None
    ]
    if part == DAGSTER and not (settings.dagster_database_url or settings.database_url):
        missing.append("ACTIONSIGHT_DAGSTER_DATABASE_URL")
    if missing:
        raise SettingsError(
            "a process that runs by itself starts no server and makes no key of its own: set "
            + ", ".join(missing)
        )
    if settings.database_url is None:
        return settings
    return dataclasses.replace(
        settings, read_database_url=_read_database_url(settings, settings.database_url)
    )


def environment(settings: Settings, part: str) -> dict[str, str]:
    """The environment of a process of this installation: its settings and its places.

    Args:
        settings: with every address filled in, as `services` gives them.
        part: the kind of process, which is told no more secrets than it needs
            (`actionsight.settings`).
    """
    folder = settings.data_dir
    home = {"DAGSTER_HOME": str(dagster_home.make(settings))} if part in DAGSTERS else {}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ACTIONSIGHT_")}
    if part == API and settings.api_database_url:
        settings = dataclasses.replace(settings, database_url=settings.api_database_url)
    storage = dagster_database_url(settings) if part in DAGSTERS else ""
    return {
        **inherited,
        **settings.environment(part),
        "ACTIONSIGHT_DAGSTER_DATABASE_URL": storage,
        **home,
        "DBT_TARGET_PATH": str(folder / "dbt" / "target"),
        "DBT_LOG_PATH": str(folder / "dbt" / "logs"),
        "DLT_DATA_DIR": str(folder / "dlt"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
        # As which time zone libpq's sessions begin, those of dlt, dbt and Dagster, too.
        "PGTZ": "UTC",
        # Nothing becomes stale within a quarter of an hour (`orchestration/freshness.py`).
        "FRESHNESS_DAEMON_INTERVAL_SECONDS": "300",
        **NO_TELEMETRY,
        **without_proxy(inherited),
    }


NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DAGSTER_DISABLE_TELEMETRY": "1",
}


def dagster_database_url(settings: Settings) -> str:
    """Dagster's database for its driver, psycopg 2."""
    return "postgresql+psycopg2://" + storage_url(settings).partition("://")[2]


def storage_url(settings: Settings) -> str:
    """Where Dagster keeps what it knows: a database of its own."""
    return settings.dagster_database_url or migrations.with_dagster_database(
        str(settings.database_url)
    )


def _read_database_url(settings: Settings, database_url: str) -> str:
    return settings.read_database_url or settings.api_database_url or database_url


def make_data_folder(folder: Path) -> None:
    """Make the folder that holds all of an installation, for its owner alone.

    Under root PostgreSQL runs as another user, who passes through and reads nothing on the way.
    One that stands already keeps its mode, which may be somebody's wish: `doctor` looks at it.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    for missing in [f for f in (*reversed(folder.parents), folder) if not f.exists()]:
        missing.mkdir(exist_ok=True)
        missing.chmod(mode)


def _link_socket(server: PostgresqlServer, data_dir: Path) -> None:
    """Where `dbt build` at the root finds the embedded server that was started last."""
    link = data_dir / "socket" / ".s.PGSQL.5432"
    link.parent.mkdir(parents=True, exist_ok=True)
    target = server.socket_file
    if target is None or (link.is_symlink() and link.readlink() == target):
        return
    draft = link.with_name(f"{link.name}.{os.getpid()}")
    draft.symlink_to(target)
    draft.replace(link)


def _lock_file(data_dir: Path) -> Path:
    return data_dir / "up.lock"


def say_running(settings: Settings, running: Running) -> None:
    """Say of this process, which holds the data folder, what it runs there.

    Written over what was said before, and only then cut off: who reads meanwhile finds a whole
    object first.
    """
    with _lock_file(settings.data_dir).open("r+") as lock:
        lock.write(json.dumps(dataclasses.asdict(running)))
        lock.truncate()


def find_running(settings: Settings) -> Running | None:
    """What `actionsight up` runs in the data folder now; None: none does."""
    try:
        with _lock_file(settings.data_dir).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _said(lock.read())
    except FileNotFoundError:
        pass
    return None


def _said(text: str) -> Running:
    """What `say_running` wrote; earlier versions wrote the kind alone, and one that begins just now
    has written nothing."""
    try:
        said, _ = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        return Running(is_demonstration=text == DEMONSTRATION)
    return Running(**said)
