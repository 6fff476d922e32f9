"""The one maker of keys: an answer's key holds everything that its bytes depend on.

Who asks is not in it. What they may see is: the repositories that the answer is about, as they were
chosen inside the rights of who asks. Two with the same choice share an answer, others cannot.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.pagination import Page
from api.responses import current_media_type, to_json


@dataclass(frozen=True)
class CacheKey:
    """What is asked, as it was understood.

    Attributes:
        route: of the view.
        applied: the filter as the answer repeats it.
        repository_ids: the repositories that the answer is about, within the principal's rights.
        page: the page of a list.
    """

    route: str
    applied: Mapping[str, Any]
    repository_ids: tuple[int, ...]
    page: Page | None = None

    def digest(self, fingerprint: str) -> str:
        """The name of the answer while the data of its repositories is in this version."""
        page = self.page
        parts = [
            _code(),
            self.route,
            self.applied,
            current_media_type(),
            None if page is None else [page.limit, page.after],
            self.repository_ids,
            fingerprint,
        ]
        return hashlib.blake2b(to_json(parts), digest_size=32).hexdigest()


@functools.cache
def _code() -> str:
    """What computes the answers: after an upgrade none is found that an older version made."""
    folder = Path(__file__).parents[1]
    hasher = hashlib.blake2b(digest_size=32)
    for path in sorted(folder.rglob("*.py")):
        hasher.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()
