"""What can go wrong with GitHub, by who has to act: a repository's trouble, or everyone's."""


class GitHubError(Exception):
    """GitHub did not give what was asked; the message is one sentence for an operator."""


class CredentialError(GitHubError):
    """No more can be asked with one credential; repositories that another one reads go on."""

    def __init__(self, message: str, credential: str = "") -> None:
        super().__init__(message)
        self.credential = credential


class BadCredentialError(CredentialError):
    """401: stop at once, since repeated bad credentials lock out good ones."""


class RateLimitError(CredentialError):
    """The limit lasts longer than we wait: stop, go on at the next poll."""


class RefusedError(GitHubError):
    """4xx that is neither a bad credential nor a limit: trying again does not help."""

    def __init__(self, message: str, status_code: int) -> None:
        super().__init__(message)
        self.status_code = status_code


class ForbiddenError(RefusedError):
    """403: a permission is missing."""


class MissingError(RefusedError):
    """404, 410 or 451: not there, not any more, or not readable for this credential."""


class ClientRefusedError(GitHubError):
    """GitHub does not know this installation by its client id and secret."""


class UnavailableError(GitHubError):
    """Faults of server or network outlasted all tries."""


class SlowError(UnavailableError):
    """GitHub gave up, or we did, before the answer was ready: ask for less."""


class UnexpectedResponseError(GitHubError):
    """An answer of a form that GitHub's contract does not allow."""
