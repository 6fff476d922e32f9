"""Flask-Dance, made fit for people who sign in at the same moment: the one module that knows it.

Of the package as it is, `session`, `authorization_url_params` and `token_url_params` are shared by
all requests, so that people who sign in together get each other's PKCE verifier and state; state
and verifier lie in a cookie that anybody can read; the address to return to follows the request's
host; and its log at DEBUG tells secrets. Here the three live as long as a request, `flask.session`
is a dictionary of the request from which the caller keeps what lasts, the address is fixed, and the
log begins at INFO.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, cast

from flask import Flask, Request, g, request
from flask import session as request_session
from flask.sessions import SessionInterface, SessionMixin
from flask_dance.consumer import OAuth2ConsumerBlueprint
from flask_dance.consumer.requests import OAuth2Session
from flask_dance.consumer.storage import BaseStorage
from oauthlib.oauth2 import OAuth2Error  # pyrefly: ignore[untyped-import]
from requests import PreparedRequest, RequestException, Response
from requests.adapters import BaseAdapter

from actionsight.github.errors import (
    BadCredentialError,
    ClientRefusedError,
    GitHubError,
    UnavailableError,
    UnexpectedResponseError,
)
from actionsight.github.oauth import CLIENT_ERRORS, Tokens, read_object
from actionsight.github.retries import INTERACTIVE
from actionsight.github.transport import USER_AGENT, TransientError
from actionsight.settings import Settings
from api.github import current_oauth

NAME = "github"
CALLBACK = "/login/github/authorized"
_STATE = f"{NAME}_oauth_state"
_VERIFIER = f"{NAME}_oauth_code_verifier"
_TALKATIVE = (
    "flask_dance",
    "flask_dance.consumer.oauth2",
    "oauthlib",
    "requests_oauthlib",
    "requests_oauthlib.oauth2_session",
)


@dataclass(frozen=True)
class AuthorizationRequest:
    """A sign-in that begins: where the browser goes, and what has to be kept until it is back."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    verifier: str = field(repr=False)


class GitHubOAuth(OAuth2ConsumerBlueprint):
    """OAuth with GitHub: authorization code, state, PKCE by S256."""

    def __init__(self, settings: Settings) -> None:
        self.callback_url = settings.public_root + CALLBACK
        super().__init__(
            NAME,
            __name__,
            client_id=settings.github_client_id,
            client_secret=settings.github_client_secret,
            authorization_url=f"{settings.github_url}/login/oauth/authorize",
            token_url=f"{settings.github_url}/login/oauth/access_token",
            # As GitHub documents it: id and secret in the body.
            token_url_params={"include_client_id": True},
            session_class=_GitHubSession,
            storage=_RequestStorage(),
            use_pkce=True,
            code_challenge_method="S256",
        )

    def init_app(self, app: Flask) -> None:
        """Prepare an application, beside registering the blueprint."""
        app.session_interface = _RequestSessions()
        for name in _TALKATIVE:
            logging.getLogger(name).addFilter(_says_no_secret)
        if not all(url.startswith("https://") for url in (self.callback_url, self.token_url)):
            # oauthlib refuses plain http but for this variable. Both addresses are the operator's
            # settings: a stand-in for GitHub, or this API on loopback.
            os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

    def begin(self) -> AuthorizationRequest:
        """Begin a sign-in in this request."""
        response = super().login()
        state, verifier = request_session.pop(_STATE), request_session.pop(_VERIFIER)
        return AuthorizationRequest(response.location, state, verifier)

    def complete(self, state: str, verifier: str) -> Tokens:
        """Exchange the code in this request's address for tokens.

        Args:
            state, verifier: what `begin` gave for this sign-in.

        Raises:
            BadCredentialError: the code is used or expired, or belongs to another verifier.
            ClientRefusedError, UnavailableError, UnexpectedResponseError.
        """
        request_session.update({_STATE: state, _VERIFIER: verifier})
        try:
            super().authorized()
        except OAuth2Error as error:
            raise _meaning_of(error) from None  # its text and traceback hold what was sent
        except RequestException as error:
            raise UnavailableError(type(error).__name__) from None
        return Tokens.of(g.pop(f"{NAME}_token", None) or {})

    # What Flask-Dance keeps on the blueprint lives as long as a request.

    @property
    def session(self) -> Any:
        """The connection to GitHub of this request, made as Flask-Dance makes it."""
        key = f"{NAME}_session"
        if key not in g:
            setattr(g, key, OAuth2ConsumerBlueprint.session.fget(self))
        return g.get(key)

    def teardown_session(self, exception: BaseException | None = None) -> None:
        """Nothing: the session goes with its request."""

    @property
    def authorization_url_params(self) -> dict[str, Any]:
        """A copy, which Flask-Dance fills with the challenge."""
        return self._per_request("authorization", self._authorization_params)

    @authorization_url_params.setter
    def authorization_url_params(self, params: dict[str, Any]) -> None:
        self._authorization_params = params

    @property
    def token_url_params(self) -> dict[str, Any]:
        """A copy, which Flask-Dance fills with the verifier."""
        return self._per_request("token", self._token_params)

    @token_url_params.setter
    def token_url_params(self, params: dict[str, Any]) -> None:
        self._token_params = params

    def add_url_rule(self, rule: str, *args: Any, **options: Any) -> None:
        """Leave Flask-Dance's own routes out: ours have a method, an access and a description."""
        view = options.get("view_func")
        if getattr(view, "__self__", None) is not self:
            super().add_url_rule(rule, *args, **options)

    def _per_request(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        key = f"{NAME}_{name}_params"
        if key not in g:
            setattr(g, key, dict(params))
        return cast(dict[str, Any], g.get(key))


class _GitHubSession(OAuth2Session):
    """A connection that goes to GitHub alone, as all of ours do, and returns people to the one
    address."""

    @property
    def redirect_uri(self) -> str:
        """GitHub compares it; it does not depend on how this request came here."""
        return str(self.blueprint.callback_url)

    @redirect_uri.setter
    def redirect_uri(self, _: str | None) -> None:
        """Flask-Dance's own guess is not used."""

    def fetch_token(self, token_url: str, **options: Any) -> Any:
        """As Flask-Dance asks for it, but for the address, our name and the way to GitHub.

        Raises:
            GitHubError: the answer is not in the form of GitHub's.
        """
        self.register_compliance_hook("access_token_response", _readable)
        # Behind a proxy the request's own address may begin with http://.
        query = request.query_string.decode("latin-1")
        options["authorization_response"] = f"{self.redirect_uri}?{query}"
        self.trust_env = False  # it would read ~/.netrc
        self.mount(token_url, _TransportAdapter())
        self.max_redirects = 0
        headers = {"Accept": "application/json", "User-Agent": USER_AGENT}
        return super().fetch_token(token_url, headers=headers, **options)


class _TransportAdapter(BaseAdapter):
    """Sends what Flask-Dance asks by the transport of all requests to GitHub."""

    def send(self, request: PreparedRequest, **_: Any) -> Response:  # pyrefly: ignore[bad-override]
        """Send one request.

        Raises:
            requests.RequestException: no whole response came in time.
        """
        body = cast(Any, request.body)  # a form: text, bytes or none
        try:
            sent = current_oauth().pages.send(
                str(request.method),
                str(request.url),
                headers=cast(Mapping[str, str], request.headers),
                body=body.encode() if isinstance(body, str) else body,
                timeout=INTERACTIVE.timeout,
            )
        except TransientError as error:
            raise RequestException(str(error)) from None
        response = Response()
        response.request, response.url = request, str(request.url)
        response.status_code = sent.status
        response.headers.update(sent.headers)
        response.raw = BytesIO(sent.body)
        return response

    def close(self) -> None:
        """Nothing: the connections are the application's."""


class _RequestStorage(BaseStorage):
    """Hands the token on within the request; `api.auth.grants` keeps it, encrypted."""

    def get(self, _: GitHubOAuth) -> None:
        """Nobody has a token here."""

    def set(self, _: GitHubOAuth, token: dict[str, Any]) -> None:
        """Keep the token for the caller of `complete`."""
        setattr(g, f"{NAME}_token", token)

    def delete(self, _: GitHubOAuth) -> None:
        """Nothing is kept."""


class _RequestSession(dict[str, Any], SessionMixin):
    """What Flask-Dance puts into `flask.session`."""


class _RequestSessions(SessionInterface):
    """Sessions that end with their request: no cookie, no signature."""

    def open_session(self, _app: Flask, _request: Request) -> _RequestSession:
        """An empty one."""
        return _RequestSession()

    def save_session(self, _app: Flask, _session: SessionMixin, _response: Any) -> None:
        """Nothing of it lasts."""


def _readable(response: Response) -> Response:
    read_object(response.status_code, response.content)
    return response


def _says_no_secret(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO


def _meaning_of(error: OAuth2Error) -> GitHubError:
    if error.error in CLIENT_ERRORS:
        return ClientRefusedError()
    if error.error == "bad_verification_code":
        return BadCredentialError("the code is used or expired")
    return UnexpectedResponseError(f"GitHub's answer means {error.error}")
