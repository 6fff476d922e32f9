"""What the command takes, and what of it does not fit together."""

from pathlib import Path

import pytest

from github_standin.cli import CLIENT_VARIABLES, SIGNING_VARIABLE, parse

pytestmark = pytest.mark.unit


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    assert ended.value.code == 0
    output = capsys.readouterr().out
    names = ("--port", "--data-dir", "--demonstration", "--token")
    assert all(name in output for name in (*names, "--webhook-url", "--speed", "--lead"))
    assert "--redirect-uri" in output
    assert "--administer-hooks" in output
    assert all(name in output for name in (SIGNING_VARIABLE, *CLIENT_VARIABLES))


@pytest.mark.parametrize(
    ("arguments", "secret", "named"),
    [
        (("--demonstration", "--webhook-url=http://127.0.0.1:1"), None, SIGNING_VARIABLE),
        (("--webhook-url=http://127.0.0.1:1",), "s", "--demonstration"),
        (("--demonstration", "--webhook-url=ftp://127.0.0.1"), "s", "no http address"),
        (("--demonstration", "--speed=0.5"), None, "--speed"),
        (("--demonstration", "--speed=nan"), None, "--speed"),
        (("--demonstration", "--redirect-uri=http://127.0.0.1"), None, CLIENT_VARIABLES[1]),
        (("--redirect-uri=http://127.0.0.1",), None, "--demonstration"),
        (("--demonstration", "--speed=2", "--lead=0"), None, "--lead"),
        (("--demonstration", "--generated=5"), None, "--generated"),
        (("--generated=0",), None, "number of runs"),
        (("--latency=0",), None, "--latency"),
        (("--fault=nothing",), None, "server_error"),
        (("--fault=gone:2",), None, "share"),
    ],
)
def test_options_that_do_not_fit_are_named(
    tmp_path: Path,
    arguments: tuple[str, ...],
    secret: str | None,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in (SIGNING_VARIABLE, *CLIENT_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    if secret is not None:
        monkeypatch.setenv(SIGNING_VARIABLE, secret)
    with pytest.raises(SystemExit) as ended:
        parse([*arguments, f"--data-dir={tmp_path}"])
    assert ended.value.code == 2
    assert named in capsys.readouterr().err.splitlines()[-1]


def test_a_demonstration_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--demonstration"])
    assert ended.value.code == 2
    assert "--data-dir" in capsys.readouterr().err
