"""Servers as others run them for an installation: PostgreSQL and Redis with TLS and a private
authority, PgBouncer in transaction mode. Tests skip where `missing` says that a program is.
"""

import datetime
import ipaddress
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from psycopg import sql

from actionsight.loopback import HOST
from tests.support.ports import free_port

# All that an address has to write in another way, and what Jinja, YAML and SQL read as their own.
PASSWORD = "p@s:s/w%4o r#d?+&=\"'\\{{ü}}"
PATIENCE_SECONDS = 30


def find_program(name: str) -> str | None:
    """The path of a program that this machine may have."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *map(str, debian)])
    return shutil.which(name, path=path)


def missing(*names: str) -> str:
    """Which of these programs this machine does not have, in a sentence; empty: it has all."""
    lacking = [name for name in names if find_program(name) is None]
    return f"this machine has no {' and no '.join(lacking)}" if lacking else ""


@dataclass(frozen=True)
class Certificates:
    """Files of a private authority, and of a server on loopback for which it signed."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """An authority of one's own, and its certificate for loopback."""

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def build(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("Private authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    of_authority, of_server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = (
        build("Private authority", of_authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(of_authority, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]
    )
    certificate = (
        build("localhost", of_server)
        .add_extension(names, critical=False)
        .sign(of_authority, hashes.SHA256())
    )
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    made.authority.write_bytes(authority.public_bytes(Encoding.PEM))
    made.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    made.key.write_bytes(of_server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    made.key.chmod(0o600)
    own(made.key)
    return made


def not_root() -> dict[str, Any]:
    """As whom programs run that refuse root; arguments of `subprocess`."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def own(path: Path) -> None:
    """Give a file or a folder to whom `not_root` names."""
    if identity := not_root():
        os.chown(path, identity["user"], identity["group"])


@contextmanager
def running(
    command: list[str],
    folder: Path,
    port: int,
    *,
    stop_signal: signal.Signals = signal.SIGTERM,
    **more: Any,
) -> Generator["subprocess.Popen[bytes]"]:
    """A server on loopback for the length of the context, once it takes connections."""
    with (folder / "server.log").open("ab") as log:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, **more
        )
    try:
        wait_until(lambda: listens(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "server.log").read_text()[-2000:]
        yield process
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    """Whether somebody takes connections on loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def opens(database_url: str) -> bool:
    """Whether a server of PostgreSQL's serves: it listens before it does."""
    with suppress(psycopg.OperationalError), psycopg.connect(database_url):
        return True
    return False


def wait_until(happened: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as something has happened; fail when it does not."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@dataclass(frozen=True)
class Postgresql:
    """A cluster that takes connections by TLS alone, with a role for each part."""

    port: int
    certificates: Certificates

    def url(self, role: str, database: str, port: int | None = None) -> str:
        """An address that verifies the server, by the file that ACTIONSIGHT_CA_FILE names."""
        owner = f"{role}:{quote(PASSWORD, safe='')}"
        return f"postgresql://{owner}@localhost:{port or self.port}/{database}?sslmode=verify-full"

    def verified(self, url: str) -> str:
        """The same with the file."""
        return f"{url}&sslrootcert={quote(str(self.certificates.authority))}"


ROLES = ("actionsight", "actionsight_api", "actionsight_dagster")


@contextmanager
def tls_postgresql(folder: Path) -> Generator[Postgresql]:
    """The machine's own PostgreSQL with TLS; roles and databases as docs/operators.md has them."""
    initdb, postgres = (str(find_program(name)) for name in ("initdb", "postgres"))
    folder.mkdir()
    own(folder)
    certificates = make_certificates(folder)
    cluster, port = folder / "cluster", free_port()
    password_file = folder / "password"
    password_file.write_text(PASSWORD)
    own(password_file)
    subprocess.run(
        [
            *(initdb, f"--pgdata={cluster}", "--username=postgres", f"--pwfile={password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        **not_root(),
    )
    hba = "".join(
        f"host{kind} all all 127.0.0.1/32 {how}\n"
        for kind, how in (("ssl", "scram-sha-256"), ("nossl", "reject"))
    )
    (cluster / "pg_hba.conf").write_text(hba)
    settings = {
        "port": str(port),
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "ssl": "on",
        "ssl_cert_file": str(certificates.certificate),
        "ssl_key_file": str(certificates.key),
        "max_connections": "150",
        # Not ours: what sessions rely on, they have to ask for.
        "timezone": "Asia/Kathmandu",
        "fsync": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with running(
        [postgres, "-D", str(cluster), *options],
        folder,
        port,
        stop_signal=signal.SIGINT,  # fast shutdown
        **not_root(),
    ):
        made = Postgresql(port, certificates)
        admin_url = made.verified(made.url("postgres", "postgres"))
        wait_until(lambda: opens(admin_url))
        with psycopg.connect(admin_url, autocommit=True) as admin:
            for role in ROLES:
                admin.execute(
                    sql.SQL("create role {} login password {}").format(
                        sql.Identifier(role), sql.Literal(PASSWORD)
                    )
                )
            admin.execute("create database actionsight owner actionsight")
            admin.execute("create database dagster owner actionsight_dagster")
            admin.execute("revoke all on database actionsight, dagster from public")
            admin.execute("grant connect on database actionsight to actionsight_api")
            admin.execute("grant actionsight_dagster to actionsight")
        yield made


@contextmanager
def pgbouncer(
    folder: Path,
    server_port: int,
    passwords: Mapping[str, str],
    certificates: Certificates | None = None,
    **settings: str,
) -> Generator[int]:
    """PgBouncer in transaction mode before a server on loopback; gives its port.

    Args:
        passwords: by role.
        certificates: for TLS on both sides.
        settings: more of its own.
    """
    command = str(find_program("pgbouncer"))
    folder.mkdir()
    own(folder)

    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    users = folder / "users.txt"
    users.write_text("".join(f"{quoted(k)} {quoted(v)}\n" for k, v in passwords.items()))
    port = free_port()
    given = {
        "listen_addr": HOST,
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": str(users),
        "pool_mode": "transaction",
        "default_pool_size": "40",
        "max_client_conn": "500",
        "server_round_robin": "1",  # no session has what another transaction left by luck
        **settings,
    }
    if certificates:
        own(certificates.authority)
        given |= {
            "client_tls_sslmode": "require",
            "client_tls_cert_file": str(certificates.certificate),
            "client_tls_key_file": str(certificates.key),
            "server_tls_sslmode": "verify-ca",
            "server_tls_ca_file": str(certificates.authority),
        }
    lines = [
        "[databases]",
        f"* = host={HOST} port={server_port}",
        "[pgbouncer]",
        *(f"{name} = {value}" for name, value in given.items()),
    ]
    configuration = folder / "pgbouncer.ini"
    configuration.write_text("\n".join(lines) + "\n")
    for file in (users, configuration):
        own(file)
    with running([command, str(configuration)], folder, port, **not_root()):
        yield port


_QUOTED_FOR_REDIS = '"' + PASSWORD.replace("\\", "\\\\").replace('"', '\\"') + '"'


@contextmanager
def _redis_program(
    name: str, folder: Path, certificates: Certificates, lines: Iterable[str]
) -> Generator[int]:
    folder.mkdir()
    port = free_port()
    by_tls = (
        f"bind {HOST}",
        "port 0",
        f"tls-port {port}",
        "tls-replication yes",  # also how a Sentinel speaks
        f"tls-cert-file {certificates.certificate}",
        f"tls-key-file {certificates.key}",
        f"tls-ca-cert-file {certificates.authority}",
        "tls-auth-clients no",
    )
    configuration = folder / "redis.conf"
    configuration.write_text("\n".join((*by_tls, *lines)) + "\n")
    with running([str(find_program(name)), str(configuration)], folder, port):
        yield port


@contextmanager
def tls_sentinel(folder: Path, certificates: Certificates, primary_port: int) -> Generator[str]:
    """A Sentinel with TLS alone and that password; gives the address of its primary, `buffer`."""
    lines = (
        f"requirepass {_QUOTED_FOR_REDIS}",
        f"sentinel monitor buffer {HOST} {primary_port} 1",
        f"sentinel auth-pass buffer {_QUOTED_FOR_REDIS}",
    )
    with _redis_program("redis-sentinel", folder, certificates, lines) as port:
        encoded = quote(PASSWORD, safe="")
        yield (
            f"rediss+sentinel://:{encoded}@localhost:{port}/buffer/0?sentinel_password={encoded}"
        )


@contextmanager
def tls_redis(folder: Path, certificates: Certificates, role: tuple[str, ...]) -> Generator[str]:
    """The machine's own Redis with TLS alone and a password; gives its address, which verifies the
    server by the file that ACTIONSIGHT_CA_FILE names."""
    lines = ('save ""', f"requirepass {_QUOTED_FOR_REDIS}", *role)
    with _redis_program("redis-server", folder, certificates, lines) as port:
        url = f"rediss://:{quote(PASSWORD, safe='')}@localhost:{port}/0"
        with redis.Redis.from_url(url, ssl_ca_certs=str(certificates.authority)) as client:
            wait_until(lambda: _answers(client))
        yield url


def _answers(client: "redis.Redis") -> bool:
    with suppress(redis.ConnectionError):
        return client.ping()
    return False
