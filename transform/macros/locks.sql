{#-
Two builds may run at once (a person's beside the schedule's), and dbt opens a connection per model, so
no lock can span a build. Instead each pass of a mart takes two locks in its transaction:

1. `build`, shared; exclusively where a table is made or altered and all its scopes are put into its
   queue, and by who deletes a repository's rows (`actionsight/purging.py`)
2. the mart's own, so that two builds compute the same table one after the other

Always in this order: no deadlock.
-#}

{% macro lock_key(name) -%}
    hashtext('actionsight dbt'), hashtext('{{ name }}')
{%- endmacro %}

{% macro lock_pass(relation) -%}
    select pg_advisory_xact_lock_shared({{ lock_key("build") }});
    select pg_advisory_xact_lock({{ lock_key(relation.schema ~ "." ~ relation.identifier) }});
{%- endmacro %}
