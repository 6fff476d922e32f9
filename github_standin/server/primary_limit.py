"""Requests an hour, counted for each token, and for each installation of the App."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from werkzeug.wrappers import Request, Response

from github_standin.rest.access import credential
from github_standin.rest.app_jwt import is_app_jwt
from github_standin.world.people import People
from github_standin.world.tokens import InstallationToken

PER_REPOSITORY = 50
MOST = 12_500


@dataclass
class Quota:
    """What a token has used of *limit* requests, until *resets_at*."""

    limit: int
    used: int
    resets_at: datetime

    @property
    def is_used_up(self) -> bool:
        """Whether nothing is left."""
        return self.used >= self.limit

    def body(self) -> dict[str, Any]:
        """Schema `rate-limit-overview`."""
        reset = int(self.resets_at.timestamp())
        core = {
            "limit": self.limit,
            "used": self.used,
            "remaining": self.limit - self.used,
            "reset": reset,
        }
        search = {"limit": 30, "used": 0, "remaining": 30, "reset": reset}
        return {"resources": {"core": core, "search": search}, "rate": core}

    def with_headers(self, response: Response) -> Response:
        """*response* with the headers that tell of it."""
        response.headers["X-RateLimit-Limit"] = str(self.limit)
        response.headers["X-RateLimit-Remaining"] = str(self.limit - self.used)
        response.headers["X-RateLimit-Used"] = str(self.used)
        response.headers["X-RateLimit-Reset"] = str(int(self.resets_at.timestamp()))
        response.headers["X-RateLimit-Resource"] = "core"
        return response


class Quotas:
    """The quotas of all credentials that asked."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._quotas: dict[str, Quota] = {}

    def key(self, request: Request) -> str:
        """Whose requests are counted together."""
        header = request.headers.get("Authorization", "")
        given = credential(header) or header
        token = self._people.tokens.find(given)
        if isinstance(token, InstallationToken):
            return f"installation {token.installation_id}"
        return "app" if is_app_jwt(given) else given

    def of(self, request: Request, limit: int, now: datetime) -> Quota:
        """The quota of the request's credential, which begins with its first request of an
        hour."""
        key = self.key(request)
        limit = max(limit, self._limit_of(request, limit))
        quota = self._quotas.get(key)
        if quota is None or now >= quota.resets_at:
            quota = self._quotas[key] = Quota(limit, 0, now + timedelta(hours=1))
        quota.limit = limit
        return quota

    def _limit_of(self, request: Request, limit: int) -> int:
        """An installation has more for every repository beyond twenty."""
        given = credential(request.headers.get("Authorization")) or ""
        token = self._people.tokens.find(given)
        if not isinstance(token, InstallationToken):
            return limit
        installation = self._people.installations.get(token.installation_id)
        if installation is None:
            return limit
        covered = len(self._people.repositories_of(installation))
        return min(limit + PER_REPOSITORY * max(0, covered - 20), MOST)
