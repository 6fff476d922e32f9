"""All that may ask GitHub: the credentials of an installation, and who reads what with which."""

from collections.abc import Iterator

from actionsight.settings import Settings
from ingestion.github.rest.budget import GITHUB_LIMITS, Budget, BudgetState, Limits, Priority
from ingestion.github.rest.client import Asker, Patience, Transport
from ingestion.github.rest.credentials import Credential
from ingestion.github.rest.endpoints import Payload, get_object, objects
from ingestion.github.rest.errors import MissingError


class Access:
    """Everything that may ask GitHub; thread-safe."""

    def __init__(self, transport: Transport, credential: Credential, patience: Patience) -> None:
        self._transport = transport
        self._credential = credential
        self._patience = patience

    def asker(self, full_name: str, priority: Priority) -> Asker:
        """For one loop over one repository, by the credential that reads it."""
        return Asker(self._transport, lambda: self._credential, priority, self._patience)

    def owned_by(self, owner: str, priority: Priority) -> Iterator[Payload]:
        """The repositories of an owner, as far as a credential reads them.

        Raises:
            GitHubError: they cannot be listed.
        """
        asker = self.asker(f"{owner}/*", priority)
        if get_object(asker, f"/users/{owner}").get("type") == "Organization":
            yield from objects(asker, f"/orgs/{owner}/repos", type="all")
            return
        if self._login(asker) == owner.lower():
            yield from objects(asker, "/user/repos", affiliation="owner")
            return
        yield from objects(asker, f"/users/{owner}/repos", type="owner")

    def _login(self, asker: Asker) -> str | None:
        if self._credential.token() is None:
            return None
        try:
            return str(get_object(asker, "/user").get("login")).lower()
        except MissingError:
            return None

    def budgets(self) -> list[BudgetState]:
        """What is left of each credential that was used."""
        return [self._credential.budget.state()]

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()


def access(
    settings: Settings, *, patience: Patience | None = None, limits: Limits = GITHUB_LIMITS
) -> Access:
    """Access by the settings' credentials."""
    patience = patience or Patience()
    name = "token" if settings.github_token else "no credential"
    budget = Budget(name, limits, patience.clock)
    return Access(
        Transport(settings.github_api_url), Credential(budget, settings.github_token), patience
    )
