"""Every setting of an installation, declared once: a field of `Settings`.

The table of them (`SETTINGS`) feeds `.env.example`, the operator's guide and `actionsight doctor`;
a test holds them together. A setting comes from the environment, for a secret also from the file
that `NAME_FILE` names, or else from `.env` at the root of the checkout.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from dotenv import dotenv_values

from actionsight.shards import SLOTS

ROOT = Path(__file__).resolve().parents[1]
ENV_FILE = ROOT / ".env"
PREFIX = "ACTIONSIGHT_"
_FILE = "_FILE"
SHORTEST_KEY = 32
# What signs webhooks: shorter is refused, and `doctor` warns below what it should have.
SHORTEST_WEBHOOK_SECRET, LONG_ENOUGH_WEBHOOK_SECRET = 8, 16

# Of PostgreSQL's sslmode, those that hold the server's certificate against an authority.
VERIFYING = ("verify-ca", "verify-full")
SENTINELS = ("redis+sentinel", "rediss+sentinel")
_ENCODE = (
    "cannot be read: in a user and a password, characters other than letters, digits and - . _ ~ "
    "are written percent-encoded (@ is %40, : %3A, / %2F, ? %3F, # %23, % %25, a space %20)"
)

# The kinds of process that are told secrets, each its own.
API = "api"
RECEIVER = "receiver"  # of webhooks
COLLECTION = "collection"  # the code server, its runs and what commands start: ask, drain, build
DAGSTER = "dagster"  # its pages and its daemon, which launch runs and do nothing themselves


class SettingsError(ValueError):
    """Settings are missing or contradict each other; the message names all of them at once."""


def _text(value: str) -> str:
    return value


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not (parts.hostname or parts.path.strip("/")):
            raise ValueError(f"must be an address that begins with {' or '.join(schemes)}://")
        return value.rstrip("/")

    return parse


def _address(*schemes: str) -> Callable[[str], str]:
    """An address with a user and a password, which every library has to read in the same way."""
    url = _url(*schemes)

    def parse(value: str) -> str:
        # What urlsplit says of a wrong one may quote the password.
        try:
            has_fragment = bool(urlsplit(value).fragment)
        except ValueError:
            has_fragment = True
        # The one @ stands before the host, behind no / or ?.
        place = re.split("[/?]", value.partition("://")[2])[0]
        is_misread = value.count("@") > min(1, place.count("@"))
        if has_fragment or is_misread or any(map(str.isspace, value)):
            raise ValueError(_ENCODE)
        return url(value)

    return parse


def _postgresql(value: str) -> str:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    value = _address("postgresql", "postgres")(value)
    try:
        read = conninfo_to_dict(value)
    except (ProgrammingError, UnicodeDecodeError):
        raise ValueError(_ENCODE) from None  # it quotes what it could not read
    host, port = str(read.get("host", "")), str(read.get("port", ""))
    if "," in host:
        raise ValueError(
            "must name one host (dlt, dbt and Dagster read no list): one that leads to the primary "
            "server after a failover, too"
        )
    named = unquote(urlsplit(value).hostname or host)
    if named.lower() != host.lower() or not (port == "" or port.isdigit()):
        raise ValueError(_ENCODE)
    return value


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least:,} to {most:,}")
        return int(value)

    return parse


def _days(least: int) -> Callable[[str], int]:
    """After how many days something goes; 0: never."""

    def parse(value: str) -> int:
        if (
            not value.isascii()
            or not value.isdigit()
            or not (value == "0" or least <= int(value) <= 36_500)
        ):
            raise ValueError(f"must be a number of days from {least:,}, or 0 to keep it for ever")
        return int(value)

    return parse


def _names(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))


def _repositories(value: str) -> tuple[str, ...]:
    names = _names(value)
    for name in names:
        check_repository_name(name)
    return names


def _user_ids(value: str) -> tuple[int, ...]:
    names = _names(value)
    if not all(name.isascii() and name.isdigit() for name in names):
        raise ValueError("must be numeric GitHub user ids, separated by commas (not logins)")
    return tuple(int(name) for name in names)


def _webhook_secrets(value: str) -> tuple[str, ...]:
    secrets = tuple(dict.fromkeys(filter(None, map(str.strip, re.split(r"[,\n]", value)))))
    if len(secrets) > 2:
        raise ValueError(
            "must be one secret, or the new and the old one while they are rotated, separated by a "
            "comma or a newline (a secret has neither in it)"
        )
    if any(len(secret) < SHORTEST_WEBHOOK_SECRET for secret in secrets):
        raise ValueError(
            f"must have at least {SHORTEST_WEBHOOK_SECRET} characters: `openssl rand -hex 32` "
            "(a comma separates the new secret from the old one, and stands in none)"
        )
    return secrets


def _origins(value: str) -> tuple[str, ...]:
    origins = _names(value)
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.path:
            raise ValueError(f"{origin!r} is no origin: write https://host, without a path")
    return origins


def _folder(value: str) -> Path:
    path = Path(value).expanduser()
    return path if path.is_absolute() else ROOT / path


def _yes_or_no(value: str) -> bool:
    if value.lower() in {"yes", "true", "on", "1"}:
        return True
    if value.lower() in {"no", "false", "off", "0"}:
        return False
    raise ValueError("must be yes or no")


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return value

    return parse


def _certificates(value: str) -> Path:
    import ssl

    path = _folder(value)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError(f"the file {path} holds no certificates as PEM") from error
    except OSError as error:
        raise ValueError(f"the file {path}: {error.strerror}") from error
    return path


def _sections(value: str) -> Path:
    import yaml

    path = _folder(value)
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the file {path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"the file {path} is no YAML: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"the file {path} has no sections, such as `run_launcher:`")
    return path


def _secret_key(value: str) -> str:
    keys = value.split(",")
    if len(keys) > 2 or any(len(key.strip()) < SHORTEST_KEY for key in keys):
        raise ValueError(
            f"must have at least {SHORTEST_KEY} characters: `openssl rand -hex 32`; or be the new "
            "and the old key, by a comma, while they are rotated"
        )
    return ",".join(key.strip() for key in keys)


def _private_key(value: str) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = value.replace("\\n", "\n")
    try:
        # Whether its numbers fit together is tried when it signs; here it would cost 0.1 s.
        key = load_pem_private_key(text.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("must be the App's RSA private key as PEM text, with newlines or \\n")
    return text


def check_repository_name(name: str) -> None:
    """Raise ValueError unless `name` has GitHub's form `owner/name` (or `owner/*`)."""
    owner, slash, repository = name.partition("/")
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    is_path = {".", ".."} & {owner, repository}
    well_formed = slash and owner and repository and not is_path and set(owner) <= allowed
    if not well_formed or not (repository == "*" or set(repository) <= allowed):
        raise ValueError(f"{name!r} is not a repository: write owner/name")


def _web_root(value: str) -> str:
    root = _encrypted_off_loopback(value)
    if urlsplit(root).path:
        raise ValueError("must be scheme and host alone, without a path")
    return root


def _encrypted_off_loopback(value: str) -> str:
    root = _WEB(value)
    parts = urlsplit(root)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError(
            "must begin with https://, since http:// sends sessions and tokens in clear"
        )
    return root


def _listening_address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError(
            "must be an address of this machine by number: 127.0.0.1 for itself alone, 0.0.0.0 for "
            "whoever reaches it"
        ) from None


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or "/" in host or not port.isascii() or not port.isdigit():
        raise ValueError("must be HOST:PORT")
    return value


def is_loopback(host: str) -> bool:
    """Whether a host's name or address stands for this machine alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _dagster_database(value: str) -> str:
    # Its own processes are told the driver, too.
    return _postgresql(value.replace("postgresql+psycopg2://", "postgresql://", 1))


def _redis(value: str) -> str:
    value = _address("redis", "rediss", "unix", *SENTINELS)(value)
    if value.startswith(SENTINELS) and not urlsplit(value).path.strip("/"):
        raise ValueError(
            "must name the primary as the Sentinels know it: "
            "redis+sentinel://:password@host:26379,host:26379,host:26379/NAME/0"
        )
    return value


def _broker(value: str) -> str:
    url = _address("redis", "rediss", "amqp", "amqps")(value)
    query = urlsplit(url).query
    if url.startswith("rediss://") and "ssl_" not in query:
        # Celery looks at no certificate unless something is said of it.
        url += f"{'&' if query else '?'}ssl_cert_reqs=required"
    return url


_WEB = _url("https", "http")


def _setting(
    text: str,
    parse: Callable[[str], Any] = _text,
    default: str | None = None,
    *,
    told_to: frozenset[str] | None = None,
) -> dict[str, Any]:
    """What a field of `Settings` says of its setting (`Setting`)."""
    return {"meaning": text, "parse": parse, "default": default, "told_to": told_to}


@dataclass(frozen=True)
class Settings:
    """The settings of this process, parsed. A secret is a field without a representation."""

    database_url: str | None = field(
        repr=False,
        metadata=_setting(
            "PostgreSQL 15 or newer (embedded when empty)",
            _postgresql,
            told_to=frozenset({API, COLLECTION}),
        ),
    )
    read_database_url: str | None = field(
        repr=False,
        metadata=_setting(
            "a read replica for the API (the database when empty)",
            _postgresql,
            told_to=frozenset({API}),
        ),
    )
    api_database_url: str | None = field(
        repr=False,
        metadata=_setting(
            "the database as the API's own role (the database when empty)",
            _postgresql,
            told_to=frozenset(),  # to the API it is its database
        ),
    )
    dagster_database_url: str | None = field(
        repr=False,
        metadata=_setting(
            "Dagster's own database (dagster on the same server, as the same role, when empty)",
            _dagster_database,
            told_to=frozenset({COLLECTION, DAGSTER}),
        ),
    )
    redis_url: str | None = field(
        repr=False,
        metadata=_setting(
            "event buffer, rediss:// and redis+sentinel:// too: append-only file, no eviction "
            "(embedded when empty)",
            _redis,
            told_to=frozenset({API, RECEIVER, COLLECTION}),
        ),
    )
    cache_url: str | None = field(
        repr=False,
        metadata=_setting(
            "cache and limits, a server of its own (embedded when empty)",
            _redis,
            told_to=frozenset({API, COLLECTION}),
        ),
    )
    runs_broker_url: str | None = field(
        repr=False,
        metadata=_setting(
            "the broker by which Dagster's runs go to workers, `actionsight worker` (runs are of "
            "this machine when empty)",
            _broker,
            told_to=frozenset({COLLECTION, DAGSTER}),
        ),
    )
    github_api_url: str = field(
        metadata=_setting("GitHub's REST API", _encrypted_off_loopback, "https://api.github.com")
    )
    github_url: str = field(
        metadata=_setting(
            "GitHub's pages, for sign-in and links", _encrypted_off_loopback, "https://github.com"
        )
    )
    github_token: str | None = field(
        repr=False,
        metadata=_setting(
            "the collector's personal access token: Metadata and Actions, read-only",
            told_to=frozenset({API, COLLECTION}),
        ),
    )
    github_app_id: str | None = field(
        metadata=_setting(
            "id of the GitHub App that collects, in place of or beside a token",
            told_to=frozenset({API, COLLECTION}),
        )
    )
    github_app_private_key: str | None = field(
        repr=False,
        metadata=_setting(
            "its private key: PEM text, with newlines or \\n",
            _private_key,
            told_to=frozenset({API, COLLECTION}),
        ),
    )
    github_requests_per_minute: int = field(
        metadata=_setting(
            "how many requests a minute GitHub is asked at most (0: no limit of ours)",
            _whole_number(0, 1_000_000),
            "900",
        )
    )
    ca_file: Path | None = field(
        metadata=_setting(
            "certificates of private authorities (GitHub's, PostgreSQL's, Redis'), as PEM, trusted "
            "beside the system's",
            _certificates,
        )
    )
    github_client_id: str | None = field(
        metadata=_setting(
            "client id of the GitHub App by which people sign in (no sign-in when empty)"
        )
    )
    github_client_secret: str | None = field(
        repr=False, metadata=_setting("its client secret", told_to=frozenset({API}))
    )
    github_webhook_secret: tuple[str, ...] = field(
        repr=False,
        metadata=_setting(
            "what GitHub signs webhooks with; the new and the old one, by a comma, while rotating",
            _webhook_secrets,
            "",
            told_to=frozenset({API, RECEIVER}),
        ),
    )
    repositories: tuple[str, ...] = field(
        metadata=_setting(
            "what is monitored: owner/name or owner/*, by commas; new ones are added at a start",
            _repositories,
            "",
        )
    )
    operators: tuple[int, ...] = field(
        metadata=_setting(
            "numeric GitHub user ids that see and manage everything, separated by commas",
            _user_ids,
            "",
        )
    )
    sign_in: str = field(
        metadata=_setting(
            "who may sign in: installed (people whom GitHub shows an installation of the App, and "
            "operators) or everyone",
            _one_of("installed", "everyone"),
            "installed",
        )
    )
    public_url: str | None = field(
        metadata=_setting(
            "the API's address as browsers see it (http://127.0.0.1:API_PORT when empty)", _web_root
        )
    )
    secret_key: str | None = field(
        repr=False,
        metadata=_setting(
            "encrypts the tokens of people who signed in; the new and the old one, by a comma, "
            "while rotating (made in the data folder when empty)",
            _secret_key,
            told_to=frozenset({API, COLLECTION}),
        ),
    )
    frontend_origins: tuple[str, ...] = field(
        metadata=_setting(
            "origins of frontends that may call the API with a person's session, by commas",
            _origins,
            "",
        )
    )
    proxy_count: int = field(
        metadata=_setting(
            "how many proxies stand before the API, each of which sets X-Forwarded-For",
            _whole_number(0, 10),
            "0",
        )
    )
    backfill_days: int = field(
        metadata=_setting(
            "how many days of history the first collection reads", _whole_number(1, 3650), "90"
        )
    )
    poll_minutes: int = field(
        metadata=_setting("minutes between two polls", _whole_number(1, 1440), "5")
    )
    collection_shards: int = field(
        metadata=_setting(
            "how many shards collection is cut into, by owner, each polled by a run of its own",
            _whole_number(1, SLOTS),
            "1",
        )
    )
    data_dir: Path = field(
        metadata=_setting("the folder that holds all that an installation writes", _folder, "var")
    )
    host: str = field(
        metadata=_setting(
            "the address at which API and receiver listen (0.0.0.0: for whoever reaches it)",
            _listening_address,
            "127.0.0.1",
        )
    )
    api_port: int = field(metadata=_setting("port of the API", _whole_number(1, 65535), "8000"))
    receiver_port: int | None = field(
        metadata=_setting(
            "port of the webhooks' own receiver (a free one when empty)", _whole_number(1, 65535)
        )
    )
    dagster_host: str = field(
        metadata=_setting(
            "the address at which Dagster's pages listen, which have no sign-in",
            _listening_address,
            "127.0.0.1",
        )
    )
    dagster_port: int = field(
        metadata=_setting("port of Dagster's pages", _whole_number(1, 65535), "3000")
    )
    code_server: str | None = field(
        metadata=_setting(
            "HOST:PORT of a code server that `serve` started (`up` has a socket)", _host_and_port
        )
    )
    dagster_writable: bool = field(
        metadata=_setting(
            "whether Dagster's pages may start and change things: yes or no", _yes_or_no, "no"
        )
    )
    dagster_yaml: Path | None = field(
        metadata=_setting(
            "a file whose sections take the place of those of dagster.yaml: another run launcher, "
            "say",
            _sections,
            told_to=frozenset({COLLECTION, DAGSTER}),
        )
    )
    event_buffer_mb: int = field(
        metadata=_setting(
            "megabytes of webhooks that the embedded event buffer keeps before it refuses more",
            _whole_number(16, 1_000_000),
            "1024",
        )
    )
    disk_gb: int | None = field(
        metadata=_setting(
            "gigabytes that the data folder may use (as much as the disk has when empty)",
            _whole_number(1, 1_000_000),
        )
    )
    retention_payload_days: int = field(
        metadata=_setting(
            "days for which payloads of webhooks are kept (0: for ever, as below)",
            _days(1),
            "30",
        )
    )
    retention_webhook_days: int = field(
        metadata=_setting(
            "days for which each webhook's word is kept of runs and jobs that polling saw end",
            _days(1),
            "30",
        )
    )
    retention_delivery_days: int = field(
        metadata=_setting(
            "days for which the ledger knows a delivery",
            _days(7),
            "90",
        )
    )
    retention_step_days: int = field(
        metadata=_setting(
            "days for which steps of jobs are kept; those of failed jobs stay", _days(1), "90"
        )
    )
    retention_poll_days: int = field(
        metadata=_setting(
            "days for which single polls and loads are kept; the numbers of each day stay",
            _days(2),
            "30",
        )
    )
    retention_dagster_days: int = field(
        metadata=_setting(
            "days for which Dagster's runs, reports, checks, ticks and files are kept",
            _days(1),
            "14",
        )
    )
    retention_audit_days: int = field(
        metadata=_setting(
            "days for which the audit log is kept",
            _days(1),
            "365",
        )
    )
    retention_session_days: int = field(
        metadata=_setting(
            "days for which ended sessions, sign-ins and API tokens are kept",
            _days(1),
            "30",
        )
    )
    retention_person_days: int = field(
        metadata=_setting(
            "days after which people who have not come back are forgotten",
            _days(1),
            "365",
        )
    )
    retention_log_days: int = field(
        metadata=_setting(
            "days for which log files that were set aside are kept",
            _days(1),
            "30",
        )
    )
    demonstration_speed: int = field(
        metadata=_setting(
            "how many times as fast as recorded the demonstration lets its last day happen",
            _whole_number(1, 3600),
            "1",
        )
    )

    @property
    def has_credential(self) -> bool:
        """Whether GitHub can be asked; without a credential the demonstration is shown."""
        return self.github_token is not None or self.github_app_id is not None

    @property
    def public_root(self) -> str:
        """The API's address as browsers see it."""
        return self.public_url or f"http://127.0.0.1:{self.api_port}"

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The key that encrypts, and behind it the one before it while they are rotated."""
        return tuple(self.secret_key.split(",")) if self.secret_key else ()

    def environment(self, part: str | None = None) -> dict[str, str]:
        """These settings as the environment of a process that we start.

        Args:
            part: the kind of process, which is told what it needs and no more; None: everything.
        """
        values: dict[str, str] = {}
        for setting in SETTINGS:
            value = getattr(self, setting.attribute)
            if part is not None and setting.told_to is not None and part not in setting.told_to:
                values[setting.name] = ""
            elif isinstance(value, tuple):
                values[setting.name] = ",".join(map(str, value))
            elif isinstance(value, bool):
                values[setting.name] = "yes" if value else "no"
            else:
                values[setting.name] = "" if value is None else str(value)
            if setting.secret:
                values[setting.name + _FILE] = ""  # read already; `.env` may still name it
        return values


@dataclass(frozen=True)
class Setting:
    """One row of the table: `attribute` of `Settings`, what it means, and how it is read."""

    attribute: str
    secret: bool
    meaning: str
    parse: Callable[[str], Any]
    default: str | None
    # The kinds of process that are told; None: all of them.
    told_to: frozenset[str] | None

    @property
    def name(self) -> str:
        """The environment variable."""
        return PREFIX + self.attribute.upper()


SETTINGS = tuple(Setting(each.name, not each.repr, **each.metadata) for each in fields(Settings))


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of this process.

    Args:
        environ: in place of the process's environment and `.env` (for tests).

    Raises:
        SettingsError: one line for each setting that is unusable, all in one message.
    """
    if environ is None:
        environ = {**_env_file(), **os.environ}
    problems: list[str] = []
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        try:
            text = _read(setting, environ)
            values[setting.attribute] = None if text is None else setting.parse(text)
        except ValueError as error:
            problems.append(f"{setting.name}: {error}")
    app = [values.get(name, "unusable") for name in ("github_app_id", "github_app_private_key")]
    if None in app and app != [None, None]:
        problems.append(
            f"{PREFIX}GITHUB_APP_ID and {PREFIX}GITHUB_APP_PRIVATE_KEY belong together: "
            "set both, or neither of them"
        )
    if not problems:
        problems += _foreign_frontends(values["frontend_origins"], values["public_url"])
    if problems:
        raise SettingsError("\n".join(problems))
    values.update(_with_authorities(values))
    return Settings(**values)


def _with_authorities(values: Mapping[str, Any]) -> dict[str, str]:
    """The addresses whose server is to be verified, with the file of private authorities, under the
    name that their libraries have for it; one that names a file itself keeps it."""
    if values["ca_file"] is None:
        return {}
    found = {}
    for setting in SETTINGS:
        url = values[setting.attribute]
        if setting.parse in (_postgresql, _dagster_database) and url:
            verifies = sslmode_of(url) in VERIFYING
            name = "sslrootcert"
        elif setting.parse in (_redis, _broker) and url:
            verifies, name = url.startswith("rediss"), "ssl_ca_certs"
        else:
            continue
        if verifies and name not in parse_qs(urlsplit(url).query):
            given = f"{name}={quote(str(values['ca_file']))}"
            found[setting.attribute] = f"{url}{'&' if '?' in url else '?'}{given}"
    return found


def sslmode_of(database_url: str) -> str | None:
    """How an address of PostgreSQL asks for TLS; None: it does not say."""
    return next(iter(parse_qs(urlsplit(database_url).query).get("sslmode", [])), None)


def _foreign_frontends(origins: tuple[str, ...], public_url: str | None) -> list[str]:
    """Frontends on another site than the API: a browser sends them no session."""
    if public_url is None:
        return []
    return [
        f"{PREFIX}FRONTEND_ORIGINS: {origin} is another site than {PREFIX}PUBLIC_URL "
        f"({public_url}), so browsers do not send the session's cookie from there (SameSite=Lax): "
        "give both the same scheme and names under one domain, such as app.example.com and "
        "api.example.com"
        for origin in origins
        if _site(origin) != _site(public_url)
    ]


def _site(address: str) -> tuple[str, str]:
    """The scheme and the last two names of the host; of an address by number the whole of it."""
    parts = urlsplit(address)
    host = (parts.hostname or "").rstrip(".").lower()
    is_number = ":" in host or host.replace(".", "").isdigit()
    return parts.scheme.lower(), host if is_number else ".".join(host.split(".")[-2:])


def forget_secrets() -> None:
    """Take the secrets out of this process's environment, once they are loaded."""
    for setting in SETTINGS:
        if setting.secret:
            os.environ.pop(setting.name, None)


def _env_file() -> dict[str, str]:
    # A secret may hold ${…}: nothing is put in its place.
    found = dotenv_values(ENV_FILE, interpolate=False)
    return {name: value or "" for name, value in found.items()}


def files_of_secrets(environ: Mapping[str, str] | None = None) -> list[Path]:
    """The files that hold secrets: `.env`, and what settings named NAME_FILE name.

    Args:
        environ: in place of the process's environment and `.env` (for tests).
    """
    if environ is None:
        environ = {**_env_file(), **os.environ}
    names = [environ.get(s.name + _FILE, "").strip() for s in SETTINGS if s.secret]
    files = [ENV_FILE, *(Path(name) for name in names if name)]
    return [file for file in files if file.is_file()]


def _read(setting: Setting, environ: Mapping[str, str]) -> str | None:
    text = environ.get(setting.name, "").strip()
    file_name = environ.get(setting.name + _FILE, "").strip() if setting.secret else ""
    if text and file_name:
        raise ValueError(f"is set, and so is {setting.name}{_FILE}: keep one of the two")
    if file_name:
        try:
            text = Path(file_name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(
                f"the file that {setting.name}_FILE names: {error.strerror}"
            ) from error
        if not text:
            raise ValueError(f"the file that {setting.name}_FILE names is empty: {file_name}")
    return text or setting.default


def env_example() -> str:
    """The text of `.env.example`: every setting with its meaning and default, all commented out."""
    lines = [
        "# Copy to .env and fill in what you need. A secret can also come from a file: NAME_FILE."
    ]
    for setting in SETTINGS:
        lines += ["", f"# {setting.meaning}", f"#{setting.name}={setting.default or ''}"]
    return "\n".join(lines) + "\n"
