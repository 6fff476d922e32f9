"""What somebody who looked at an installation found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: fine, worth a warning, or wrong."""

    subject: str
    says: str
    is_wrong: bool = False
    is_warning: bool = False

    @property
    def mark(self) -> str:
        """How it is, in a word: `ok`, `mind` or `wrong`."""
        return "wrong" if self.is_wrong else "mind" if self.is_warning else "ok"

    def line(self) -> str:
        """For the person who asked."""
        return f"{self.mark:<6} {self.subject}: {self.says}"
