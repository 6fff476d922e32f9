"""What somebody who looked at an installation found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: fine, worth a warning, or wrong."""

    subject: str
    says: str
    is_wrong: bool = False
    is_warning: bool = False

    def line(self) -> str:
        """For the person who asked."""
        mark = "wrong" if self.is_wrong else "mind" if self.is_warning else "ok"
        return f"{mark:<6} {self.subject}: {self.says}"
