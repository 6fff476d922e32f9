"""Accounts that nobody recorded."""

import hashlib

from github_standin.world.model import Account, AccountKind


def account(login: str, kind: AccountKind = "User") -> Account:
    """An account whose id follows from its login, far above the ids that GitHub gives."""
    digest = hashlib.sha1(login.encode(), usedforsecurity=False).digest()
    return Account(3_000_000_000 + int.from_bytes(digest[:4], "big") % 1_000_000_000, login, kind)
