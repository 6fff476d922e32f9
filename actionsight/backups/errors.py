"""What keeps a backup from being made or restored."""


class BackupError(RuntimeError):
    """A backup cannot be made or restored; the message says why, and what to do."""
