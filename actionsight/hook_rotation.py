"""A new secret for every webhook of ours, which Actionsight made or adopted, and the App's own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from psycopg import Connection
from psycopg.rows import class_row

from actionsight import audit
from actionsight.encryption import fingerprint_of
from actionsight.github.client import GitHubClient
from actionsight.github.credential_router import CredentialRouter
from actionsight.github.errors import ForbiddenError, GitHubError, MissingError
from actionsight.github.hooks import find_hook, our_url, set_secret
from actionsight.github.rate_limit.models import Priority
from actionsight.repositories import save_hook
from actionsight.settings import Settings

if TYPE_CHECKING:
    from actionsight.github.app import App


@dataclass(frozen=True)
class Hook:
    """A webhook of ours, and whether it is known to have the secret in question."""

    repository_id: int
    full_name: str
    hook_id: int
    has_secret: bool


@dataclass(frozen=True)
class Outcome:
    """What became of one webhook, in a sentence about `name`."""

    name: str
    says: str
    status: Literal["rotated", "gone", "failed"] = "rotated"


class Rotation:
    """Gives GitHub the first of the secrets for every webhook of ours; the receiver takes both.

    What is done is noted at once, each by itself, so that whoever repeats it after an end at any
    point does what is left.
    """

    def __init__(
        self, connection: Connection[Any], settings: Settings, router: CredentialRouter
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._router = router
        self._secret = settings.github_webhook_secret[0]
        # Under another secret key all are given it again, which changes nothing.
        self._fingerprint = fingerprint_of(self._secret, settings.secret_keys[0])

    def hooks(self) -> list[Hook]:
        """Those in monitored repositories, by their names."""
        with self._connection.cursor(row_factory=class_row(Hook)) as cursor:
            found = cursor.execute(
                """
                select
                    repositories.repository_id,
                    repositories.full_name,
                    repositories.hook_id,
                    coalesce(known.fingerprint = %s, false) as has_secret
                from app.repositories
                left join app.hook_secrets as known using (repository_id, hook_id)
                where repositories.hook_id is not null and repositories.removed_at is null
                order by lower(repositories.full_name)
                """,
                [self._fingerprint],
            ).fetchall()
        self._connection.commit()  # nothing is held while GitHub is asked
        return found

    def rotate(self, hook: Hook) -> Outcome:
        """Give one webhook the secret."""
        try:
            hook_id = self._router.ask(
                hook.full_name, Priority.INTERACTIVE, lambda client: self._set(client, hook)
            )
        except (ForbiddenError, MissingError) as error:
            page = f"{self._settings.github_url}/{hook.full_name}/settings/hooks/{hook.hook_id}"
            return Outcome(
                hook.full_name,
                f"GitHub answers {error.status_code}: give the collector's credential Webhooks, "
                f"read and write, there, or set the new secret by hand at {page}",
                "failed",
            )
        except GitHubError as error:
            return Outcome(hook.full_name, f"{error}", "failed")
        self._note(hook, hook_id)
        if hook_id is None:
            return Outcome(
                hook.full_name,
                "its webhook was removed at GitHub and is forgotten, so polls alone tell of it; "
                "adding it again by POST /repositories makes a new one",
                "gone",
            )
        adopted = "" if hook_id == hook.hook_id else f" (it is webhook {hook_id} now)"
        return Outcome(hook.full_name, f"has the new secret{adopted}")

    def rotate_apps(self) -> Outcome | None:
        """Give it the App's own webhook; None: it has none that delivers to us."""
        if self._router.app is None:
            return None
        name = "the GitHub App"
        try:
            if not _delivers(self._router.app, our_url(self._settings)):
                return None
            self._router.app.set_webhook_secret(self._secret)
        except GitHubError as error:
            return Outcome(name, f"{error}", "failed")
        return Outcome(name, "its own webhook has the new secret")

    def _set(self, client: GitHubClient, hook: Hook) -> int | None:
        """The webhook that has the secret now; None: there is none."""
        try:
            set_secret(client, hook.full_name, hook.hook_id, self._secret)
        except MissingError:
            # Gone, or hidden from this credential, from which the list is hidden, too.
            found = find_hook(client, hook.full_name, our_url(self._settings))
            if found is not None:
                set_secret(client, hook.full_name, found, self._secret)
            return found
        return hook.hook_id

    def _note(self, hook: Hook, hook_id: int | None) -> None:
        with self._connection.transaction():
            if hook_id != hook.hook_id:
                save_hook(self._connection, hook.repository_id, hook_id)
            if hook_id is not None:
                self._connection.execute(
                    """
                    insert into app.hook_secrets (repository_id, hook_id, fingerprint)
                    values (%s, %s, %s)
                    on conflict (repository_id) do update set
                        hook_id = excluded.hook_id,
                        fingerprint = excluded.fingerprint,
                        set_at = now()
                    """,
                    [hook.repository_id, hook_id, self._fingerprint],
                )
            audit.record(
                self._connection,
                "webhook.forgotten" if hook_id is None else "webhook.rotated",
                repository_id=hook.repository_id,
                full_name=hook.full_name,
            )


def _delivers(app: "App", url: str) -> bool:
    try:
        return app.webhook().get("url") == url
    except MissingError:
        return False
