"""Repositories and workflows, also those that only runs tell of."""

import re
from collections.abc import Iterable

from tests.transform.reference.raw import Raw, Row
from tests.transform.reference.rows import grouped, known

KEY = ("repository_id", "workflow_id")
OF_REPOSITORY = (
    "full_name", "name", "owner_login", "visibility", "default_branch", "html_url", "created_at",
)  # fmt: skip
OF_WORKFLOW = ("path", "state", "html_url", "created_at", "updated_at", "deleted_at", "gone_at")


def repositories(raw: Raw) -> list[Row]:
    """Those that are known, by themselves, by a workflow or by a run."""
    listed = {row["repository_id"]: known(row) for row in raw.repositories}
    others = {row["repository_id"] for row in (*raw.workflows, *raw.attempts)}
    return [_repository(each, listed.get(each, {})) for each in {*listed, *others}]


def workflows(raw: Raw, attempts: Iterable[Row]) -> list[Row]:
    """Those that their repository lists, and those that its runs name."""
    listed = {tuple(row[name] for name in KEY): known(row) for row in raw.workflows}
    runs = grouped(attempts, *KEY)
    return [_workflow(key, listed.get(key), runs.get(key, [])) for key in {*listed, *runs}]


def _repository(repository_id: int, row: Row) -> Row:
    visibility = row.get("visibility")
    if visibility is None and row.get("private") is not None:
        visibility = "private" if row["private"] else "public"
    return {
        "repository_id": repository_id,
        **{name: row.get(name) for name in OF_REPOSITORY},
        "visibility": visibility,
        "is_archived": row.get("archived"),
        "is_disabled": row.get("disabled"),
        "is_fork": row.get("fork"),
    }


def _workflow(key: tuple[int, ...], row: Row | None, attempts: list[Row]) -> Row:
    told = row or {"path": _path(attempts)}
    path = told["path"]
    return {
        **dict(zip(KEY, key, strict=True)),
        **{name: told.get(name) for name in OF_WORKFLOW},
        "name": told.get("name") or path or f"workflow {key[1]}",
        "is_stub": row is None,
    }


def _path(attempts: list[Row]) -> str | None:
    """Of the newest attempt that has one, without the ref that may follow."""
    newest = sorted(attempts, key=lambda row: (row["run_id"], row["run_attempt"]), reverse=True)
    paths = [row["path"] for row in newest if row["path"]]
    return re.sub("@[^@]*$", "", paths[0]) if paths else None
