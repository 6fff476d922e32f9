"""A person with a browser at a demonstration: signs in at the stand-in, reads, adds, removes."""

from typing import Any

import requests

from actionsight import loopback


class Person:
    """Signed in at the API at `root` as one of the stand-in's people."""

    def __init__(self, root: str, login: str) -> None:
        self._root = root
        self.browser = requests.Session()
        self.browser.trust_env = False
        sent = self.browser.post(f"{root}/login", headers=self._origin, allow_redirects=False)
        assert sent.status_code == 303, sent.text
        # At GitHub's page, the button with this person's name.
        chosen = loopback.get(f"{sent.headers['Location']}&login={login}", allow_redirects=False)
        back = self.browser.get(chosen.headers["Location"], allow_redirects=False)
        assert back.status_code == 303, back.text
        assert self.get("/me")["login"] == login

    @property
    def secrets(self) -> set[str]:
        """What authenticates this person and must be written nowhere."""
        return set(filter(None, self.browser.cookies.values()))

    def get(self, path: str) -> Any:
        """The body of an answer."""
        response = self.browser.get(self._root + path)
        assert response.ok, response.text
        return response.json()

    def repositories(self) -> dict[str, int]:
        """The ids of the repositories that this person sees, by name."""
        found = self.get("/repositories")["data"]
        return {each["full_name"]: each["repository_id"] for each in found}

    def add(self, full_name: str) -> int:
        """Monitor a repository; gives the answer's status."""
        return self._write("POST", "/repositories", {"full_name": full_name})

    def remove(self, repository_id: int) -> int:
        """Monitor a repository no longer; gives the answer's status."""
        return self._write("DELETE", f"/repositories/{repository_id}", None)

    @property
    def _origin(self) -> dict[str, str]:
        return {"Origin": self._root}

    def _write(self, method: str, path: str, body: dict[str, Any] | None) -> int:
        headers: dict[str, Any] = {**self._origin, "X-CSRF-Token": self.browser.cookies["csrf"]}
        return self.browser.request(
            method, self._root + path, json=body, headers=headers
        ).status_code
