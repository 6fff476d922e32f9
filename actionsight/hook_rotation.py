"""A new secret for every webhook of ours: whichever sends here, in any repository that is known.

Known are monitored repositories and those that were. A webhook that nobody noted, since a crash
came between, is found by its address, and noted. What the credential cannot change is named.
"""

from dataclasses import dataclass
from datetime import timedelta
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


# Webhooks that nobody may list are known by what they delivered within that time.
_LATELY = timedelta(days=7)


@dataclass(frozen=True)
class Place:
    """A repository, the webhook of ours that is noted there, if one is, and whether that is known
    to have the secret in question."""

    repository_id: int
    full_name: str
    hook_id: int | None
    has_secret: bool
    is_monitored: bool


@dataclass(frozen=True)
class Outcome:
    """What became of one webhook, in a sentence about `name`.

    `none`: there is none of ours; `unseen`: whether there is one GitHub does not say; `by_hand`: it
    is for a person to change.
    """

    name: str
    says: str
    status: Literal["rotated", "gone", "none", "unseen", "by_hand", "failed"] = "rotated"


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
        # Repositories of whose webhooks all is known.
        self._seen: set[int] = set()

    def places(self) -> list[Place]:
        """The repositories that are known, monitored or not, by their names."""
        with self._connection.cursor(row_factory=class_row(Place)) as cursor:
            found = cursor.execute(
                """
                select
                    repositories.repository_id,
                    repositories.full_name,
                    repositories.hook_id,
                    coalesce(known.fingerprint = %s, false) as has_secret,
                    repositories.removed_at is null as is_monitored
                from app.repositories
                left join app.hook_secrets as known using (repository_id, hook_id)
                order by lower(repositories.full_name)
                """,
                [self._fingerprint],
            ).fetchall()
        self._connection.commit()  # nothing is held while GitHub is asked
        self._seen = {place.repository_id for place in found if place.has_secret}
        return found

    def rotate(self, place: Place) -> Outcome:
        """Give the webhook of ours there the secret."""
        try:
            hook_id = self._router.ask(
                place.full_name, Priority.INTERACTIVE, lambda client: self._set(client, place)
            )
        except (ForbiddenError, MissingError) as error:
            return self._refused(place, error)
        except GitHubError as error:
            return Outcome(place.full_name, f"{error}", "failed")
        self._seen.add(place.repository_id)
        if hook_id is None and place.hook_id is None:
            return Outcome(place.full_name, "has no webhook of ours", "none")
        self._note(place, hook_id)
        if hook_id is None:
            says = "its webhook was removed at GitHub and is forgotten"
            if place.is_monitored:
                says += (
                    ", so polls alone tell of it; adding it again by POST /repositories makes a "
                    "new one"
                )
            return Outcome(place.full_name, says, "gone")
        adopted = "" if hook_id == place.hook_id else f" (it is webhook {hook_id} now)"
        return Outcome(place.full_name, f"has the new secret{adopted}")

    def _refused(self, place: Place, error: ForbiddenError | MissingError) -> Outcome:
        if place.hook_id is None:
            return Outcome(place.full_name, f"GitHub answers {error.status_code}", "unseen")
        page = self._page(place.full_name, place.hook_id)
        if not place.is_monitored:
            return Outcome(
                place.full_name,
                f"is not monitored any more, and GitHub answers {error.status_code}: if it is "
                f"still there, remove its webhook at {page}",
                "by_hand",
            )
        return Outcome(
            place.full_name,
            f"GitHub answers {error.status_code}: give the collector's credential Webhooks, "
            f"read and write, there, or set the new secret by hand at {page}",
            "failed",
        )

    def others(self) -> list[Outcome]:
        """Webhooks that delivered lately and that nobody could look at: a person changes them."""
        rows = self._connection.execute(
            """
            select delivered.hook_id, delivered.target, delivered.repository_id, known.full_name
            from (
                select distinct on (hook_id)
                    (headers ->> 'x-github-hook-id')::bigint as hook_id,
                    headers ->> 'x-github-hook-installation-target-type' as target,
                    repository_id
                from raw.webhook_events
                where received_at > now() - %(lately)s
                    and repository_id is not null
                    and headers ->> 'x-github-hook-id' ~ '^[0-9]{1,18}$'
                order by hook_id, repository_id
            ) as delivered
            left join app.repositories as known using (repository_id)
            where delivered.target = 'organization'
                or (
                    delivered.target = 'repository'
                    and delivered.repository_id != all(%(seen)s)
                    and delivered.hook_id is distinct from known.hook_id
                )
            order by delivered.hook_id
            """,
            {"lately": _LATELY, "seen": list(self._seen)},
        ).fetchall()
        self._connection.commit()
        return [self._other(*row) for row in rows]

    def _other(
        self, hook_id: int, target: str, repository_id: int, full_name: str | None
    ) -> Outcome:
        of = full_name or f"repository {repository_id}"
        at = (
            self._page(full_name, hook_id)
            if full_name
            else (
                f"GET {self._settings.github_api_url}/repositories/{repository_id} tells its name"
            )
        )
        if target == "organization":
            of = f"the organization of {of}"
            if full_name:
                owner = full_name.partition("/")[0]
                at = f"{self._settings.github_url}/organizations/{owner}/settings/hooks/{hook_id}"
        return Outcome(f"webhook {hook_id} of {of}", at, "by_hand")

    def _page(self, full_name: str, hook_id: int) -> str:
        return f"{self._settings.github_url}/{full_name}/settings/hooks/{hook_id}"

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

    def _set(self, client: GitHubClient, place: Place) -> int | None:
        """The webhook that has the secret now; None: there is none."""
        if place.hook_id is not None:
            try:
                set_secret(client, place.full_name, place.hook_id, self._secret)
            except MissingError:
                pass  # gone, or hidden from this credential, from which the list is hidden, too
            else:
                return place.hook_id
        found = find_hook(client, place.full_name, our_url(self._settings))
        if found is not None:
            set_secret(client, place.full_name, found, self._secret)
        return found

    def _note(self, place: Place, hook_id: int | None) -> None:
        with self._connection.transaction():
            if hook_id != place.hook_id:
                save_hook(self._connection, place.repository_id, hook_id)
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
                    [place.repository_id, hook_id, self._fingerprint],
                )
            audit.record(
                self._connection,
                "webhook.forgotten" if hook_id is None else "webhook.rotated",
                repository_id=place.repository_id,
                full_name=place.full_name,
            )


def _delivers(app: "App", url: str) -> bool:
    try:
        return app.webhook().get("url") == url
    except MissingError:
        return False
