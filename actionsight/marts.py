"""The marts by their names, parents before the children whose foreign keys lead to them.

dbt's models make them (`transform/models/marts/`); a test holds that these are all.
"""

MARTS = (
    "repositories",
    "workflows",
    "workflow_run_attempts",
    "workflow_runs",
    "collection_health_by_day",
    "workflow_statistics_by_day",
    "jobs",
)
