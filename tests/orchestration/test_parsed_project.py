"""What set-up parsed, to be built in any database."""

import pytest

from orchestration.modelling.parsed_project import parsed_project


@pytest.mark.parametrize(
    ("database_url", "database"),
    [
        ("postgresql://reader:word@db.example:6432/ci%20store?sslmode=require", "ci store"),
        ("postgresql://actionsight@localhost", "actionsight"),
    ],
)
def test_every_model_and_source_is_of_the_database_that_the_address_names(
    database_url: str, database: str
) -> None:
    parsed = parsed_project(database_url)
    nodes = [*parsed.nodes.values(), *parsed.sources.values()]
    assert {node.database for node in nodes} == {database}
    jobs = parsed.nodes["model.actionsight.jobs"]
    assert jobs.relation_name == f'"{database}"."marts"."jobs"'
    assert parsed.flat_graph["nodes"]["model.actionsight.jobs"]["database"] == database
