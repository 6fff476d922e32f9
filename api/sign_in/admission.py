"""Who may sign in: whom GitHub lists an installation of the App for, and operators; or everyone."""

from http import HTTPStatus

from actionsight.github.errors import RefusedError
from actionsight.github.oauth import GitHubAccount, OAuthClient
from actionsight.settings import Settings
from api.errors import Problem
from api.github import GitHub


def check_admission(
    settings: Settings, oauth: OAuthClient, account: GitHubAccount, access_token: str
) -> None:
    """Let a person in who comes back from GitHub.

    Raises:
        Problem: 403, the installation is not for them.
        GitHubError: it cannot be told.
    """
    if settings.sign_in == "everyone" or account.user_id in settings.operators:
        return
    if not _is_listed_any(GitHub(oauth.client_of(access_token))):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "You cannot sign in here: GitHub lists no account for you on which the GitHub App of "
            "this Actionsight is installed. Who runs it can install the App where you have a "
            "repository, or let everyone sign in (ACTIONSIGHT_SIGN_IN).",
        )


def _is_listed_any(github: GitHub) -> bool:
    try:
        return next(github.installations(), None) is not None
    except RefusedError:
        return False  # the App of the sign-in is no GitHub App
