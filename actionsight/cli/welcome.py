"""What `actionsight up` says when everything is up: where to look, and what to try first."""

from actionsight import api_tokens
from actionsight.database import connect
from actionsight.local import standin_status
from actionsight.local.server import write_atomically
from actionsight.settings import Settings

_TOKEN_NAME = "demonstration"  # noqa: S105 its name, not its value


def welcome(settings: Settings, *, demonstration: bool) -> str:
    """The addresses and lines to copy; a token only in the demonstration, which has no secret."""
    api = f"http://127.0.0.1:{settings.api_port}"
    lines = [
        f"  Dagster (lineage, runs, checks)  http://127.0.0.1:{settings.dagster_port}",
        f"  API                              {api}/openapi.json",
        f"  Webhooks (beside the API's)      http://127.0.0.1:{settings.receiver_port}/webhooks/github",
        f"  Data and logs                    {settings.data_dir}",
    ]
    if demonstration:
        lines.append(f"  The stand-in for GitHub          {settings.github_api_url}")
    lines.append("")
    if demonstration:
        token = _demonstration_token(settings)
        ask = f'curl -s -H "Authorization: Bearer {token}" "{api}'
        lines += [
            f"Sign in at {api}/ as one of GitHub's stand-in's people, each with other rights, or",
            "ask with a token that may see all. The first collection begins now; in about a minute",
            "these answer with real numbers:",
            "",
            f'  {ask}/stats?group_by=workflow"',
            f'  {ask}/workflows"',
            f'  {ask}/repositories"',
            "",
            "Recorded, and so real: runs, jobs, their conclusions, starts and ends, branches and",
            "commits. Synthesised, because the recordings lack it, and with it every statistic",
            "that rests on it (github_standin/README.md says how):",
            *(f"  - {field}" for field in standin_status(settings.github_api_url)["synthesised"]),
        ]
    else:
        lines += [
            "The first collection begins now; `.venv/bin/actionsight repositories list` shows how",
            "far it is, and `repositories add OWNER/NAME` adds to what is monitored.",
            "A token for the API: `.venv/bin/actionsight tokens create --name NAME`",
        ]
    if settings.dagster_writable:
        lines += [
            "",
            "Dagster's pages are writable (ACTIONSIGHT_DAGSTER_WRITABLE) and have no sign-in:",
            "every user of this machine may start, end and delete runs there.",
        ]
    return "\n".join([*lines, "", "Ctrl-C ends everything."])


def _demonstration_token(settings: Settings) -> str:
    """The token that the demonstration prints: the same at every start."""
    path = settings.data_dir / "token"
    with connect(str(settings.database_url)) as connection:
        if path.exists() and api_tokens.find_token(connection, path.read_text()):
            return path.read_text()
        _, token = api_tokens.create_token(connection, _TOKEN_NAME)
        connection.commit()
    write_atomically(path, token)
    return token
