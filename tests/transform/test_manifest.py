"""Rules that every model keeps, and what reads the marts: by the manifest that set-up made.

So few lines of Python that a tool for such rules would need more of configuration.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from actionsight.locks import BUILD_LOCK
from actionsight.settings import ROOT

pytestmark = pytest.mark.unit

Node = dict[str, Any]

MANIFEST: Node = json.loads(
    (Path(sys.prefix) / "share/actionsight/manifest.json").read_text(encoding="utf-8")
)
MODELS: list[Node] = [n for n in MANIFEST["nodes"].values() if n["resource_type"] == "model"]
MARTS = [model for model in MODELS if model["config"]["materialized"] == "incremental"]

PREFIX = {"staging": r"stg_[a-z]+__", "intermediate": r"int_[a-z]+__", "marts": ""}
READS = {
    "staging": {"source"},
    "intermediate": {"staging", "intermediate"},
    "marts": {"intermediate", "marts"},
}
# They read of staging what no other model needs.
READ_STAGING = {
    "repositories", "workflows", "repository_history", "jobs", "steps", "level_changes",
    "collection_health_by_day",
}  # fmt: skip
# What a column's name says of its type.
TYPES = {
    r"(is|was|has)_.*|still_holds": "boolean",
    r".*_(count|minutes)|jobs_(listed|executed|carried_over)": "bigint",
    r".*_(id|attempt|number)": "bigint",
    r"(?!median_).*_seconds": "bigint",
    r"median_.*_seconds|.*_rate|parallelism": "double precision",
    r".*_usd": "numeric(18, 6)",
    r".*_at|valid_from|hour": "timestamp with time zone",
    r"(cost_)?day": "date",
    r".*_key": "uuid",
}


def test_the_models_keep_the_rules() -> None:
    assert len(MARTS) > 15
    assert [each for model in MODELS for each in broken_rules(model)] == []
    assert [each for mart in MARTS for each in broken_mart_rules(mart)] == []


def test_exposures_are_of_what_the_sql_of_their_files_reads() -> None:
    exposures = MANIFEST["exposures"].values()
    of_api = {path for path in (ROOT / "api").rglob("*.py") if marts_read_in([path])}
    for exposure in exposures:
        assert exposure["description"] and exposure["label"], exposure["name"]
        places = [ROOT / place for place in exposure["config"]["meta"]["read_in"]]
        files = [
            path
            for place in places
            for path in ([place] if place.is_file() else place.rglob("*.*"))
        ]
        declared = {unique_id.rpartition(".")[2] for unique_id in exposure["depends_on"]["nodes"]}
        assert marts_read_in(files) == declared, f"{exposure['name']}: mend its depends_on"
        of_api -= set(files)
    assert of_api == set(), "what reads marts is an exposure: transform/models/exposures.yml"


def test_who_takes_the_lock_of_builds_names_it_as_the_macro_does() -> None:
    namespace, name = BUILD_LOCK
    macros = {path.name: path.read_text() for path in (ROOT / "transform/macros").glob("*.sql")}
    assert f"hashtext('{namespace}'), hashtext('{{{{ name }}}}')" in macros["locks.sql"]
    assert f'lock_key("{name}")' in macros["locks.sql"]


def broken_rules(model: Node) -> Iterable[str]:
    name, layer = model["name"], layer_of(model)
    if not re.fullmatch(PREFIX[layer] + "[a-z_]+", name):
        yield f"{name}: a model of {layer} is called otherwise"
    if not model["description"].startswith("One row per "):
        yield f"{name}: its description does not begin with its grain"
    for column in model["columns"].values():
        if not column["description"]:
            yield f"{name}.{column['name']}: it has no description"
    parents = model["depends_on"]["nodes"]
    read = {"source" if each.startswith("source.") else layer_of(node(each)) for each in parents}
    allowed = READS[layer] | ({"staging"} if name in READ_STAGING else set())
    if not read or not read <= allowed or re.search(r"\braw\.", model["raw_code"]):
        yield f"{name}: a model of {layer} reads {', '.join(sorted(allowed))} alone"
    # A mart's key is a real one, which its own rule asks for.
    if layer == "staging" and not has_tested_key(model):
        yield f"{name}: its key is not tested to be unique"


def broken_mart_rules(mart: Node) -> Iterable[str]:
    name, meta = mart["name"], mart["config"]["meta"]
    required = {column["name"] for column in mart["columns"].values() if is_required(column)}
    if not mart["config"]["contract"]["enforced"]:
        yield f"{name}: it has no enforced contract"
    keys = [each["columns"] for each in mart["constraints"] if each["type"] == "primary_key"]
    if len(keys) != 1 or not set(keys[0]) <= required:
        yield f"{name}: it has not one primary key of columns that are never null"
    if not any(mart["unique_id"] in each["depends_on"]["nodes"] for each in unit_tests()):
        yield f"{name}: it has no unit test"
    if not set(meta["scope"]) <= required or meta["newest"] not in meta["scope"]:
        yield f"{name}: its scope is not of columns that are never null, the newest among them"
    if "repository_id" not in required:
        yield f"{name}: a row of it may be of no repository"
    if not meta["touched_by"] or "touched()" not in mart["raw_code"]:
        yield f"{name}: it does not compute what was touched"
    if " now()" in mart["raw_code"] or "current_" in mart["raw_code"]:
        yield f"{name}: it looks at the clock"
    yield from (f"{name}: {each}" for each in broken_entries(mart))
    for column in mart["columns"].values():
        for pattern, kind in TYPES.items():
            if re.fullmatch(pattern, column["name"]) and column["data_type"] != kind:
                yield f"{name}.{column['name']}: a column of this name is of type {kind}"


def broken_entries(mart: Node) -> Iterable[str]:
    """What is wrong with what touches it."""
    sources = {source["name"]: source for source in MANIFEST["sources"].values()}
    for entry in mart["config"]["meta"]["touched_by"]:
        if set(entry) - {"parent", "source", "columns", "query", "where", "only_changes"}:
            yield f"an entry of touched_by has another property: {entry}"
        parents = [each.rpartition(".")[2] for each in mart["depends_on"]["nodes"]]
        if "parent" in entry and entry["parent"] not in parents:
            yield f"it does not read {entry['parent']}, which touches it"
        if set(re.findall(r"\braw\.(\w+)", entry.get("query", ""))) - sources.keys():
            yield f"a raw table that touches it is no source: {entry}"
        # A poll is no load: its day is noted in a table of its own. What is left of old ones
        # changes nothing.
        if "source" in entry and entry["source"] not in ("polls", "unbuilt_polls", "polls_by_day"):
            source = sources.get(entry["source"])
            if source is None or "load_column" not in source["config"]["meta"]:
                yield f"what touches it is no source whose loads are known: {entry}"


def layer_of(model: Node) -> str:
    return Path(model["original_file_path"]).relative_to("transform/models").parts[0]


def node(unique_id: str) -> Node:
    found: Node = MANIFEST["nodes"][unique_id]
    return found


def unit_tests() -> Iterable[Node]:
    tests: dict[str, Node] = MANIFEST["unit_tests"]
    return tests.values()


def is_required(column: Node) -> bool:
    return any(constraint["type"] == "not_null" for constraint in column["constraints"])


def has_tested_key(model: Node) -> bool:
    return any(
        each.get("attached_node") == model["unique_id"]
        and each["test_metadata"]["name"] in ("unique", "unique_combination_of_columns")
        for each in MANIFEST["nodes"].values()
        if each["resource_type"] == "test" and "test_metadata" in each
    )


def marts_read_in(files: Iterable[Path]) -> set[str]:
    """The marts that these files name, in SQL for the most part."""
    names = {mart["name"] for mart in MARTS if layer_of(mart) == "marts"}
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for path in files
        if path.is_file() and path.suffix in (".py", ".md", ".html")
    )
    return names & set(re.findall(r"\bmarts\.(\w+)", text))
