"""The code location loads as the server loads it, and its lineage is one connected graph."""

import pytest
from dagster import (
    AssetKey,
    BoolSource,
    DagsterInvalidConfigError,
    Definitions,
    IntSource,
    JobDefinition,
    StringSource,
    validate_run_config,
)

from orchestration.definitions import defs

pytestmark = pytest.mark.unit

# Whoever renames one of these breaks links, alerts and people's habits: change it on purpose.
ASSETS = {
    "github/rest",
    "github/webhooks",
    "raw/repositories",
    "raw/workflows",
    "raw/workflow_runs",
    "raw/workflow_jobs",
    "raw/polls",
    "raw/webhook_events",
    "raw/webhook_runs",
    "raw/webhook_jobs",
    "raw/webhook_batches",
    "raw/webhook_dead_letters",
    "raw/webhook_redeliveries",
    "raw/repository_history",
    "raw/condensed_runs",
    "raw/condensed_jobs",
    "raw/polls_by_day",
    "raw/duration_levels",
    "raw/runner_prices",
    "raw/runner_labels",
    "staging/stg_github__polls",
    "staging/stg_github__polls_by_day",
    "staging/stg_github__repositories",
    "staging/stg_github__workflows",
    "staging/stg_github__workflow_runs",
    "staging/stg_github__workflow_jobs",
    "staging/stg_github__repository_history",
    "staging/stg_github__runner_prices",
    "staging/stg_github__runner_labels",
    "intermediate/int_github__jobs",
    "intermediate/int_github__workflow_run_attempts",
    "staging/stg_levels__changes",
    "marts/level_changes",
    "marts/repositories",
    "marts/repository_history",
    "marts/workflows",
    "marts/workflow_runs",
    "marts/workflow_run_attempts",
    "marts/jobs",
    "marts/steps",
    "marts/flaky_job_occurrences",
    "marts/job_statistics_by_day",
    "marts/cost_by_day",
    "marts/runner_statistics_by_hour",
    "marts/branch_health_intervals",
    "marts/repository_statistics_by_day",
    "marts/workflow_statistics_by_day",
    "marts/collection_health_by_day",
}


# Read from files.
LISTS = {AssetKey(["raw", "runner_prices"]), AssetKey(["raw", "runner_labels"])}


def test_the_definitions_are_loadable() -> None:
    Definitions.validate_loadable(defs)


def test_the_assets_are_exactly_the_known_ones() -> None:
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    # Those come and go with the API; that they are complete, the rules over the manifest say.
    exposures = {key for key in keys if key.startswith("exposures/")}
    assert keys - exposures == ASSETS
    assert {"exposures/stats", "exposures/home_page"} <= exposures


def test_every_raw_table_and_every_mart_descends_from_github() -> None:
    graph = defs.resolve_asset_graph()
    rest, webhooks = AssetKey(["github", "rest"]), AssetKey(["github", "webhooks"])
    for key in graph.get_all_asset_keys():
        ancestors = graph.get_ancestor_asset_keys(key)
        if key in LISTS:
            assert not ancestors
        elif key.path in (["raw", "repository_history"], ["raw", "duration_levels"]):
            assert {rest, webhooks} <= ancestors
        elif key.path[0] == "raw":
            assert len({rest, webhooks} & ancestors) == 1, key.to_user_string()
        if key.path == ["marts", "workflow_runs"] or key.path == ["marts", "jobs"]:
            assert {rest, webhooks} <= ancestors, key.to_user_string()
        if key.path[0] == "marts":
            assert rest in ancestors, key.to_user_string()


def test_the_lineage_is_one_connected_graph() -> None:
    graph = defs.resolve_asset_graph()
    found: set[AssetKey] = set()
    ahead = {AssetKey(["github", "rest"])}
    while ahead:
        key = ahead.pop()
        found.add(key)
        ahead |= (graph.get(key).parent_keys | graph.get(key).child_keys) - found
    assert found == set(graph.get_all_asset_keys())


def test_dbt_s_data_tests_are_shown_as_checks() -> None:
    checked = {key.asset_key for key in defs.resolve_asset_graph().asset_check_keys}
    tested = {("staging", "stg_github__workflow_jobs"), ("marts", "repositories")}
    assert {AssetKey(path) for path in tested} <= checked


def test_the_jobs_people_call_by_name_exist() -> None:
    jobs = {job.name for job in defs.resolve_all_job_defs()}
    assert {"collect", "build", "sync", "retention", "purge"} <= jobs


@pytest.mark.parametrize("job", defs.resolve_all_job_defs(), ids=lambda job: job.name)
def test_no_configuration_takes_the_name_of_an_environment_variable(job: JobDefinition) -> None:
    """Its value would be read where all secrets are, and could be shown by whatever fails."""
    types = job.run_config_schema.run_config_schema_type.type_iterator()
    keys = {config_type.key for config_type in types}
    assert keys.isdisjoint({source.key for source in (StringSource, IntSource, BoolSource)})


@pytest.mark.parametrize("field", ["loops", "minutes", "is_watched"])
def test_a_secret_named_as_configuration_is_refused_and_not_shown(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_SECRET_KEY", "hunter2")
    named = {"env": "ACTIONSIGHT_SECRET_KEY"}
    config = {"ops": {"github": {"config": {field: [named] if field == "loops" else named}}}}
    with pytest.raises(DagsterInvalidConfigError) as refused:
        validate_run_config(defs.resolve_job_def("collect"), config)
    assert "hunter2" not in str(refused.value)
