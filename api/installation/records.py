"""What /installation, /audit and /definitions answer."""

from typing import Any

from pydantic import Field

from api.installation.definitions import Unit
from api.records import Count, Id, Record, Time, Url


class Demonstration(Record):
    """Recorded history that is shown in place of GitHub's."""

    recordings: list[str] = Field(description="The repositories that are recorded.")
    speed: Count = Field(
        description="How many times as fast as recorded its last day happens; 1: as it was."
    )
    used_up: bool | None = Field(
        description="Whether all that is recorded has happened, so that nothing new appears; null: "
        "what shows it does not answer."
    )


class Installation(Record):
    """What anybody may know."""

    name: str
    version: str
    github_url: Url = Field(description="Of the GitHub whose repositories are followed.")
    is_sign_in_configured: bool
    poll_minutes: Count = Field(description="How often GitHub is asked for what is new.")
    demonstration: Demonstration | None = Field(description="Null: the real thing.")


class InstallationAnswer(Record):
    """This installation."""

    data: Installation


class AuditEntry(Record):
    """An action as it was noted."""

    entry_id: Id
    happened_at: Time
    action: str = Field(description="Such as `repository.added`.")
    user_id: Id | None = Field(description="Who did it; null: a command or a token of an operator.")
    login: str | None
    token_id: Id | None = Field(description="By which API token.")
    repository_id: Id | None
    details: dict[str, Any]


class Definition(Record):
    """What a number of the answers means."""

    name: str
    meaning: str
    unit: Unit
    formula: str | None = Field(
        description="SQL over the mart, or over other numbers; null: the meaning tells all."
    )
    mart: str | None = Field(description="Whose rows it is computed of; null: of other numbers.")
    routes: list[str] = Field(description="Which answer with it.")
    lineage_url: Url | None = Field(
        description="Where the mart's lineage is shown; for operators, on the machine itself."
    )
