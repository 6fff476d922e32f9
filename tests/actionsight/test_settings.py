"""Settings come from one table; what is wrong with them is said all at once."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from actionsight.settings import (
    ROOT,
    SETTINGS,
    SettingsError,
    check_repository_name,
    env_example,
    load,
)

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def pem() -> str:
    key = rsa.generate_private_key(65537, 2048)
    encoded = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return encoded.decode().strip()


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = load(environ={})
    assert settings.database_url is None
    assert settings.github_api_url == "https://api.github.com"
    assert (settings.backfill_days, settings.poll_minutes) == (90, 5)
    assert (settings.api_port, settings.dagster_port) == (8000, 3000)
    assert settings.data_dir == ROOT / "var"
    assert settings.repositories == ()
    assert not settings.has_credential


def test_every_wrong_setting_is_named_in_one_error() -> None:
    with pytest.raises(SettingsError) as error:
        load(
            environ={
                "ACTIONSIGHT_DATABASE_URL": "mysql://somewhere/else",
                "ACTIONSIGHT_POLL_MINUTES": "0",
                "ACTIONSIGHT_REPOSITORIES": "octo/app, not-a-repository",
                "ACTIONSIGHT_BACKFILL_DAYS": "ninety",
                "ACTIONSIGHT_OPERATORS": "octocat",
                "ACTIONSIGHT_SECRET_KEY": "short",
                "ACTIONSIGHT_FRONTEND_ORIGINS": "https://example.org/path",
                "ACTIONSIGHT_PUBLIC_URL": "https://example.org/path",
                "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET": "one,two,three",
                "ACTIONSIGHT_HOST": "example.org",
                "ACTIONSIGHT_DAGSTER_HOST": "all",
                "ACTIONSIGHT_CODE_SERVER": "http://code-server:4000",
            }
        )
    message = str(error.value)
    for name in (
        "DATABASE_URL",
        "POLL_MINUTES",
        "REPOSITORIES",
        "BACKFILL_DAYS",
        "OPERATORS",
        "SECRET_KEY",
        "FRONTEND_ORIGINS",
        "PUBLIC_URL",
        "GITHUB_WEBHOOK_SECRET",
        "HOST",
        "DAGSTER_HOST",
        "CODE_SERVER",
    ):
        assert f"ACTIONSIGHT_{name}:" in message


@pytest.mark.parametrize(
    ("frontend", "is_taken"),
    [
        ("https://app.example.com", True),
        ("https://example.com:8443", True),
        ("https://example.org", False),
        ("http://app.example.com", False),
        ("https://example.com.evil.org", False),
    ],
)
def test_a_frontend_on_another_site_is_refused_with_the_reason(
    frontend: str, is_taken: bool
) -> None:
    environ = {
        "ACTIONSIGHT_PUBLIC_URL": "https://api.example.com",
        "ACTIONSIGHT_FRONTEND_ORIGINS": frontend,
    }
    if is_taken:
        assert load(environ=environ).frontend_origins == (frontend,)
    else:
        with pytest.raises(SettingsError, match=r"another site.*cookie"):
            load(environ=environ)


def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    assert load(environ={"ACTIONSIGHT_GITHUB_TOKEN_FILE": str(file)}).github_token == "from-a-file"


def test_a_secret_given_twice_or_in_a_missing_file_is_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(SettingsError, match="keep one of the two"):
        load(environ={"ACTIONSIGHT_GITHUB_TOKEN": "x", "ACTIONSIGHT_GITHUB_TOKEN_FILE": missing})
    with pytest.raises(SettingsError, match="No such file"):
        load(environ={"ACTIONSIGHT_GITHUB_TOKEN_FILE": missing})
    (tmp_path / "missing").write_text("\n")
    with pytest.raises(SettingsError, match="is empty"):
        load(environ={"ACTIONSIGHT_GITHUB_TOKEN_FILE": missing})


def test_an_apps_key_is_pem_text_with_newlines_or_backslashes(pem: str) -> None:
    for given in (pem, pem.replace("\n", "\\n")):
        settings = load(
            environ={
                "ACTIONSIGHT_GITHUB_APP_ID": "12",
                "ACTIONSIGHT_GITHUB_APP_PRIVATE_KEY": given,
            }
        )
        assert settings.github_app_private_key == pem
        assert settings.has_credential
        assert load(environ=settings.environment()) == settings
    with pytest.raises(SettingsError, match="RSA private key"):
        load(
            environ={
                "ACTIONSIGHT_GITHUB_APP_ID": "12",
                "ACTIONSIGHT_GITHUB_APP_PRIVATE_KEY": pem[:400],
            }
        )


@pytest.mark.parametrize("name", ["GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY"])
def test_an_app_is_its_id_and_its_key(name: str, pem: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(environ={f"ACTIONSIGHT_{name}": pem, "ACTIONSIGHT_POLL_MINUTES": "0"})
    message = str(error.value)
    assert "ACTIONSIGHT_GITHUB_APP_ID" in message
    assert "ACTIONSIGHT_GITHUB_APP_PRIVATE_KEY" in message
    assert "ACTIONSIGHT_POLL_MINUTES" in message


def test_no_secret_shows_in_the_representation(pem: str) -> None:
    secrets = {
        setting.name: value
        for setting in SETTINGS
        if setting.secret
        for value in [
            "redis://:hidden@127.0.0.1"
            if setting.attribute in {"redis_url", "cache_url", "runs_broker_url"}
            else "postgresql://u:hidden@h/d"
            if setting.attribute.endswith("database_url")
            else pem
            if setting.attribute == "github_app_private_key"
            else "hidden" * 6
        ]
    }
    shown = repr(load(environ={**secrets, "ACTIONSIGHT_GITHUB_APP_ID": "12"}))
    assert "hidden" not in shown
    assert pem.splitlines()[1] not in shown


def test_a_child_process_reads_the_same_settings_back() -> None:
    given = load(
        environ={
            "ACTIONSIGHT_REPOSITORIES": "octo/app,octo/web",
            "ACTIONSIGHT_DATABASE_URL": "postgresql://u:p%40ss@127.0.0.1:5433/d",
            "ACTIONSIGHT_GITHUB_TOKEN": "t",
            "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET": "the-new-one,the-old-one",
            "ACTIONSIGHT_OPERATORS": "583231,1",
        }
    )
    assert load(environ=given.environment()) == given


def test_a_child_is_not_confused_by_a_secrets_file_that_is_named_in_the_env_file(
    tmp_path: Path,
) -> None:
    file = tmp_path / "token"
    file.write_text("from-a-file")
    env_file = {"ACTIONSIGHT_GITHUB_TOKEN_FILE": str(file)}
    given = load(environ=env_file)
    assert load(environ={**env_file, **given.environment()}) == given


def test_the_example_file_is_made_from_the_table() -> None:
    assert (ROOT / ".env.example").read_text() == env_example()


@pytest.mark.parametrize(("text", "meant"), [("yes", True), ("1", True), ("No", False)])
def test_a_switch_is_read_and_handed_on_to_other_processes(text: str, meant: bool) -> None:
    settings = load(environ={"ACTIONSIGHT_DAGSTER_WRITABLE": text})
    assert settings.dagster_writable is meant
    assert load(environ=settings.environment()) == settings


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("one-of-eight", ("one-of-eight",)),
        ("the-new-one, the-old-one", ("the-new-one", "the-old-one")),
        ("the-new-one\nthe-old-one\n", ("the-new-one", "the-old-one")),
        ("with $dollars and ${braces}", ("with $dollars and ${braces}",)),
    ],
)
def test_webhook_secrets_are_separated_by_a_comma_or_a_newline(
    text: str, secrets: tuple[str, ...]
) -> None:
    settings = load(environ={"ACTIONSIGHT_GITHUB_WEBHOOK_SECRET": text})
    assert settings.github_webhook_secret == secrets


@pytest.mark.parametrize("text", ["x", "a-long-secret,x", "7letter", "a,b"])
def test_a_short_webhook_secret_is_refused_whole_and_in_part(text: str) -> None:
    with pytest.raises(SettingsError, match="GITHUB_WEBHOOK_SECRET: must have at least 8"):
        load(environ={"ACTIONSIGHT_GITHUB_WEBHOOK_SECRET": text})


def test_nothing_in_the_env_file_is_put_in_the_place_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("ACTIONSIGHT_GITHUB_TOKEN=a${HOME}b\n")
    monkeypatch.setattr("actionsight.settings.ENV_FILE", env_file)
    monkeypatch.delenv("ACTIONSIGHT_GITHUB_TOKEN", raising=False)
    assert load().github_token == "a${HOME}b"


def test_a_second_secret_key_is_the_one_before() -> None:
    new, old = "n" * 32, "o" * 32
    settings = load(environ={"ACTIONSIGHT_SECRET_KEY": f"{new}, {old}"})
    assert settings.secret_keys == (new, old)
    for wrong in (f"{new},short", f"{new},{old},{old}"):
        with pytest.raises(SettingsError, match="SECRET_KEY"):
            load(environ={"ACTIONSIGHT_SECRET_KEY": wrong})


@pytest.mark.parametrize("name", ["PUBLIC_URL", "GITHUB_API_URL", "GITHUB_URL"])
def test_what_carries_sessions_and_tokens_is_encrypted_off_this_machine(name: str) -> None:
    for address in ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://a.org"):
        load(environ={f"ACTIONSIGHT_{name}": address})
    for address in ("http://a.org", "http://10.0.0.1", "http://localhost.a.org"):
        with pytest.raises(SettingsError, match=f"{name}: must begin with https://"):
            load(environ={f"ACTIONSIGHT_{name}": address})


@pytest.mark.parametrize("name", ["../x", "./x", "octo/..", "octo/.", "octo", "octo/a b", "*/x"])
def test_a_path_is_no_repository(name: str) -> None:
    with pytest.raises(ValueError, match="write owner/name"):
        check_repository_name(name)


def test_a_file_of_authorities_holds_some(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for file, says in ((empty, "holds no certificates"), (tmp_path / "none", "No such file")):
        with pytest.raises(SettingsError, match=f"ACTIONSIGHT_CA_FILE: .*{says}"):
            load(environ={"ACTIONSIGHT_CA_FILE": str(file)})
