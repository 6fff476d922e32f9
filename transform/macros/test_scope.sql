{#-
Which rows a data test looks at; `where` in its config may name one of these sets. A build that adds to
what is there tests what it computed: all else was tested when it was written. A full refresh, the
first build and `dbt test` look at every row.

What has no such test, because it cannot happen: a mart's key is a real primary key, and its columns
are not null, by its contract; a polled row's key is raw's own. Small tables are tested whole.
-#}
{% macro get_where_subquery(relation) -%}
    {%- set sets = {
        "of_runs_to_build": "run_id in (" ~ claimed_runs() ~ ")",
        "of_claimed_polls": "(repository_id, day) in (" ~ claimed_poll_days() ~ ")",
        "of_repository_days_to_build": (
            "(repository_id, day) in (select runs.repository_id, runs.day from marts.workflow_runs as runs"
            ~ " where runs.run_id in (" ~ claimed_runs() ~ ") union " ~ claimed_poll_days() ~ ")"
        ),
        "of_days_to_build": (
            "(repository_id, workflow_id, day) in ("
            ~ "select runs.repository_id, runs.workflow_id, runs.day from marts.workflow_runs as runs where runs.run_id in (" ~ claimed_runs() ~ "))"
        ),
    } -%}
    {%- set where = config.get("where", "") -%}
    {%- if where in sets -%}
        {%- set where = sets[where] if builds_models() and not should_full_refresh() else "" -%}
    {%- endif -%}
    {%- if where -%}
        {%- do return("(select * from " ~ relation ~ " where " ~ where ~ ") as tested") -%}
    {%- endif -%}
    {%- do return(relation) -%}
{%- endmacro %}
