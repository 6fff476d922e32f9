"""Rules that every model keeps, read from dbt's manifest."""

from pathlib import Path
from typing import Any

import pytest

from actionsight.locks import BUILD_LOCK
from actionsight.settings import ROOT
from tests.support.dbt_project import Project

pytestmark = pytest.mark.integration


@pytest.fixture
def nodes(project: Project) -> dict[str, Any]:
    outcome = project.invoke("parse")
    assert outcome.success, outcome.exception
    found: dict[str, Any] = outcome.result.nodes
    return found


def test_the_models_keep_the_rules(nodes: dict[str, Any]) -> None:
    models = [node for node in nodes.values() if node.resource_type == "model"]
    tests = [node for node in nodes.values() if node.resource_type == "test"]
    assert len(models) > 10
    broken = []
    for model in models:
        layer = Path(model.original_file_path).relative_to("transform/models").parts[0]
        reads_sources = any(parent.startswith("source.") for parent in model.depends_on.nodes)
        if reads_sources != (layer == "staging"):
            broken.append(
                f"{model.name}: only staging reads sources, and staging reads nothing else"
            )
        if not model.description or not all(each.description for each in model.columns.values()):
            broken.append(f"{model.name}: a description is missing")
        # A mart's key is a real one, which its own rule asks for.
        if layer == "staging" and not _has_tested_key(model, tests):
            broken.append(f"{model.name}: its key is not tested to be unique")
        if layer != "staging":
            broken += [f"{model.name}: {problem}" for problem in _broken_mart_rules(model)]
    assert broken == []


def test_who_takes_the_lock_of_builds_names_it_as_the_macro_does() -> None:
    namespace, name = BUILD_LOCK
    macros = {path.name: path.read_text() for path in (ROOT / "transform/macros").glob("*.sql")}
    assert f"hashtext('{namespace}'), hashtext('{{{{ name }}}}')" in macros["locks.sql"]
    assert f'lock_key("{name}")' in macros["locks.sql"]


def _broken_mart_rules(model: Any) -> list[str]:
    problems = []
    meta = model.config.meta
    required = {name for name, each in model.columns.items() if _is_required(each)}
    if not model.config.contract.enforced:
        problems.append("it has no enforced contract")
    if not any(constraint.type == "primary_key" for constraint in model.constraints):
        problems.append("it has no primary key")
    if not set(meta["scope"]) <= required or meta["newest"] not in meta["scope"]:
        problems.append("its scope is not of columns that are never null, the newest among them")
    if "repository_id" not in required:
        problems.append("a row of it may be of no repository")
    if not meta["touched_by"] or "touched()" not in model.raw_code:
        problems.append("it does not compute what was touched")
    for entry in meta["touched_by"]:
        if set(entry) - {"parent", "source", "columns", "query", "where", "only_changes"}:
            problems.append(f"an entry of touched_by has another property: {entry}")
        if "parent" in entry and not any(
            each.endswith(f".{entry['parent']}") for each in model.depends_on.nodes
        ):
            problems.append(f"it does not read {entry['parent']}, which touches it")
    if " now()" in model.raw_code or "current_" in model.raw_code:
        problems.append("it looks at the clock")
    return problems


def _is_required(column: Any) -> bool:
    return any(constraint.type == "not_null" for constraint in column.constraints)


def _has_tested_key(model: Any, tests: list[Any]) -> bool:
    return any(
        test.attached_node == model.unique_id
        and test.test_metadata.name in ("unique", "unique_combination_of_columns")
        for test in tests
        if hasattr(test, "test_metadata")
    )
