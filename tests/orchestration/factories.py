"""What others leave in the database for a build."""

from actionsight.database import connect


def commit_a_load(database_url: str, load_id: str, *, workflow_id: int = 1) -> None:
    """What dlt leaves behind: a row that carries the load, and the load's own row."""
    with connect(database_url) as connection:
        connection.execute(
            """
            insert into raw.workflows (workflow_id, repository_id, _dlt_load_id, content_hash)
            values (%(workflow)s, 1, %(load)s, 'hash')
            """,
            {"workflow": workflow_id, "load": load_id},
        )
        connection.execute(
            """
            insert into raw._dlt_loads (load_id, schema_name, status, inserted_at)
            values (%(load)s, 'github_repositories', 0, now())
            """,
            {"load": load_id},
        )
