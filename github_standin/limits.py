"""Requests an hour, counted for each token."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from werkzeug.wrappers import Request, Response

from github_standin.access import credential


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

    def told_by(self, response: Response) -> Response:
        """*response* with the headers that tell of it."""
        response.headers["X-RateLimit-Limit"] = str(self.limit)
        response.headers["X-RateLimit-Remaining"] = str(self.limit - self.used)
        response.headers["X-RateLimit-Used"] = str(self.used)
        response.headers["X-RateLimit-Reset"] = str(int(self.resets_at.timestamp()))
        response.headers["X-RateLimit-Resource"] = "core"
        return response


class Quotas:
    """The quotas of all tokens that asked."""

    def __init__(self) -> None:
        self._quotas: dict[str, Quota] = {}

    def key(self, request: Request) -> str:
        """Whose requests are counted together."""
        header = request.headers.get("Authorization", "")
        return credential(header) or header

    def of(self, request: Request, limit: int, now: datetime) -> Quota:
        """The quota of the request's credential, which begins with its first request of an
        hour."""
        key = self.key(request)
        quota = self._quotas.get(key)
        if quota is None or now >= quota.resets_at:
            quota = self._quotas[key] = Quota(limit, 0, now + timedelta(hours=1))
        quota.limit = limit
        return quota
