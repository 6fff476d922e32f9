"""What /search answers."""

from typing import Literal

from pydantic import Field

from api.records import Id, PartialRecord, Url

Kind = Literal["repository", "workflow", "job", "run", "branch", "commit", "actor"]


class Hit(PartialRecord):
    """Something that was found, and where it is."""

    kind: Kind
    name: str = Field(description="What to show: a name, a title, a commit, a login.")
    repository_id: Id | None = Field(None, description="Null: an actor, who is in many.")
    repository_full_name: str | None = None
    workflow_id: Id | None = None
    run_id: Id | None = None
    run_attempt: int | None = None
    job_id: Id | None = None
    pull_request: int | None = Field(
        None, description="Of an address of a pull request, whose runs it names."
    )
    html_url: Url | None = None
