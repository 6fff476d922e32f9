{#-
Materialization `incremental`, in place of dbt's own: a mart is a table that is kept true scope by scope,
and that nobody swaps or empties.

What of it may be stale stands in its queue, `intermediate.touched__<mart>` (see queue.sql). A pass is
one transaction: it takes scopes from the queue, computes the model for them, compares with what stands,
deletes rows of those scopes that were not computed, writes those that differ, puts what this touches
into the queues of other marts, and raises the data version of each repository of which a row changed.
Whatever is killed, nothing of a pass is there, or all of it. Passes of one mart wait for each other.

`meta` of a model says what it needs (docs/contributors.md, "A mart's properties").
-#}
{% materialization incremental, adapter="postgres" %}
    {%- set relation = this.incorporate(type="table") -%}
    {%- set definition = local_md5(
        sql ~ tojson(model.columns) ~ tojson(model.constraints) ~ tojson(config.get("meta")) ~ storage_parameters()
    ) -%}
    {%- set written = namespace(rows=0) -%}
    {%- if has_work(definition) -%}
        {%- do prepare_mart(relation, definition, sql) -%}
        {#- Each pass but the last one puts another behind it: Jinja has no loop with a condition. -#}
        {%- set passes = [1] -%}
        {%- for number in passes -%}
            {%- set rows = pass_over_mart(relation, sql) -%}
            {%- set written.rows = written.rows + (rows or 0) -%}
            {#- Hot builds go on with a rebuild the next time: what is new does not wait for it. -#}
            {%- if rows is not none and not is_hot_build() and not is_drift_check() -%}
                {%- do passes.append(number + 1) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do finish_mart(relation, definition) -%}
    {%- endif -%}
    {%- do store_raw_result(
        name="main", message=written.rows ~ " rows", code="MART", rows_affected=written.rows
    ) -%}
    {{ return({"relations": [relation]}) }}
{% endmaterialization %}

{#-
Asks for all marts at once, before the first one, so that those with nothing to do cost no question.
In one statement: what another build moves on meanwhile is seen where it was, or where it is.
-#}
{% macro look_at_marts() %}
    {%- set reasons = "('drift')" if is_drift_check() else "('change', 'rebuild')" %}
    {%- set query %}
        {%- for mart in all_marts() %}
        select
            '{{ mart.name }}',
            exists (select from {{ queue_of(mart.name) }} where reason in {{ reasons }}),
            ({{ definition_of(mart) }})
        {{ "union all" if not loop.last }}
        {%- endfor %}
    {%- endset %}
    {%- set marts = {} %}
    {%- for row in run_query(query).rows %}
        {%- do marts.update({row[0]: {"has_work": row[1], "definition": row[2]}}) %}
    {%- endfor %}
    {#- The one thing that all models of a build share. -#}
    {%- do graph.update({"marts": marts}) %}
{%- endmacro %}

{#-
Whether anything of a mart waited when the build began, or may have come since: from a parent, which
had its turn before.
-#}
{% macro has_work(definition) %}
    {%- set mart = graph.marts[model.name] %}
    {%- if flags.FULL_REFRESH or mart.definition != definition %}
        {%- do mart.update({"has_work": true}) %}
    {%- endif %}
    {%- for parent in model.depends_on.nodes if graph.marts.get(parent.split(".")[-1], {}).has_work %}
        {%- do mart.update({"has_work": true}) %}
    {%- endfor %}
    {%- do return(mart.has_work) %}
{%- endmacro %}

{#- The build that follows each load: the marts alone, and one chunk of a rebuild. -#}
{% macro is_hot_build() %}
    {%- do return(invocation_args_dict.get("selector") == "hot") %}
{%- endmacro %}

{#- Computes again what a check put into the queues, and nothing else: no row should differ. -#}
{% macro is_drift_check() %}
    {%- do return(invocation_args_dict.get("selector") == "drift") %}
{%- endmacro %}

{#-
One pass; gives the number of rows that it wrote or deleted, none if nothing was to be done. So few
scopes as a load brings are part of the statement, because then PostgreSQL knows how few they are;
many are a table with statistics.
-#}
{% macro pass_over_mart(relation, sql) %}
    {%- set waiting = run_query("commit; select * from (" ~ waiting_scopes(relation) ~ ") as waiting").rows[0] %}
    {%- if not waiting[0] and not waiting[1] %}
        {%- do return(none) %}
    {%- endif %}
    {%- set locks -%}
        commit;
        begin;
        set local jit = off;
        {{ lock_pass(relation) }}
    {%- endset %}
    {%- set is_small = waiting[0] <= 200 and not waiting[1] %}
    {%- if is_small %}
        {%- set taken = run_query(locks ~ take_scopes(relation, "change", as_literals=true)).columns[0].values() | unique | list %}
        {%- if not taken %}
            {%- do return(0) %}
        {%- endif %}
        {%- set first_ctes -%}
            touched as ({{ each_scope_once(queue_columns(config.get("meta")), "values " ~ taken | join(", ")) }}),
            computed as materialized ({{ sql }}),
        {%- endset %}
        {%- set rows = run_query(write_changes(relation, first_ctes)).rows[0][0] %}
    {%- else %}
        {%- do run_query(locks ~ touched_table(relation)) %}
        {%- if is_empty(relation) %}
            {%- set rows = run_query(fill(relation, sql)).rows[0][0] %}
        {%- else %}
            {%- do run_query(
                "create temporary table computed on commit drop as (" ~ sql ~ "); analyze computed"
            ) %}
            {%- set rows = run_query(write_changes(relation, "")).rows[0][0] %}
        {%- endif %}
    {%- endif %}
    {%- do run_query(analyze_what_grew(relation) ~ "commit") %}
    {%- do return(rows) %}
{%- endmacro %}

{#- What stands is written again only where it differs: no lock, no dead row, no index entry else. -#}
{% macro write_changes(relation, first_ctes) %}
    {%- set columns = model.columns.keys() | list %}
    {%- set key = primary_key() %}
    {%- set others = columns | reject("in", key) | list %}
    {%- set scope = scope_columns() %}
    {%- set since = config.get("meta").since %}
    with
    {{ first_ctes }}
    stored as materialized (
        select stored.*
        from {{ relation }} as stored
        inner join touched using ({{ scope | join(", ") }})
        {%- if since %}
        where stored.{{ since }} is null or stored.{{ since }} >= touched.since
        {%- endif %}
        {%- if scope | reject("in", key) | list %}
        union
        select stored.*
        from {{ relation }} as stored
        inner join computed using ({{ key | join(", ") }})
        {%- endif %}
    ),
    unwanted as materialized (
        select stored.*
        from stored
        left join computed using ({{ key | join(", ") }})
        where computed.{{ key[0] }} is null
    ),
    differing as materialized (
        select computed.{{ columns | join(", computed.") }}
        from computed
        left join stored using ({{ key | join(", ") }})
        where
            stored.{{ key[0] }} is null
            {%- if others %}
            or (stored.{{ others | join(", stored.") }})
            is distinct from (computed.{{ others | join(", computed.") }})
            {%- endif %}
    ),
    changed as materialized (
        select {{ columns | join(", ") }} from unwanted
        union all
        select stored.{{ columns | join(", stored.") }}
        from stored
        inner join differing using ({{ key | join(", ") }})
        union all
        select {{ columns | join(", ") }} from differing
    ),
    deleted as (
        delete from {{ relation }} as gone
        using unwanted
        where
            {%- for column in key %}
            gone.{{ column }} = unwanted.{{ column }}{{ " and" if not loop.last }}
            {%- endfor %}
    ),
    written as (
        insert into {{ relation }} ({{ columns | join(", ") }})
        select {{ columns | join(", ") }} from differing
        on conflict ({{ key | join(", ") }}) do
        {%- if others %} update set
            {%- for column in others %}
            {{ column }} = excluded.{{ column }}{{ "," if not loop.last }}
            {%- endfor %}
        {%- else %} nothing
        {%- endif %}
    ),
    {{ tell_children("changed") }}
    {{ raise_data_versions("changed") }}
    select (select count(*) from unwanted) + (select count(*) from differing)
{% endmacro %}

{#-
The first rows of a table: there is nothing to compare with. What is given back is written once more, and
so whole rows are only where a child reads them.
-#}
{% macro fill(relation, sql) %}
    {%- set columns = model.columns.keys() | list %}
    {%- set told = tell_children("written") %}
    with
    written as (
        insert into {{ relation }} ({{ columns | join(", ") }})
        select {{ columns | join(", ") }} from ({{ sql }}) as computed
        returning {{ "*" if told | trim else "repository_id" }}
    ),
    {{ told }}
    {{ raise_data_versions("written") }}
    select count(*) from written
{% endmacro %}

{#-
An answer of the API is cached under the data versions of its repositories: they rise in the transaction
that changes the rows. In one order, so that two marts never wait for each other.
-#}
{% macro raise_data_versions(changed) %}
    {%- if this.schema == "marts" %}
    raised as (
        insert into marts.data_versions as stored (repository_id, version, changed_at)
        select repository_id, 1, now()
        from (select distinct repository_id from {{ changed }}) as repositories
        order by repository_id
        on conflict (repository_id) do update
        set version = stored.version + 1, changed_at = excluded.changed_at
    )
    {%- else %}
    raised as (select)
    {%- endif %}
{%- endmacro %}

{#-
The planner's statistics are renewed where a pass wrote a tenth of the table or more; not while another
build drops an index, which waits for this transaction.
-#}
{% macro analyze_what_grew(relation) %}
    {%- set grew %}
        select coalesce(bool_or(written.n_tup_ins + written.n_tup_upd > class.reltuples * 0.1), false)
        from pg_stat_xact_user_tables as written
        inner join pg_class as class on written.relid = class.oid
        where written.schemaname = '{{ relation.schema }}' and written.relname = '{{ relation.identifier }}'
    {%- endset %}
    {%- do return("analyze (skip_locked) " ~ relation ~ "; " if run_query(grew).rows[0][0] else "") %}
{%- endmacro %}

{% macro is_empty(relation) %}
    {%- do return(not run_query("select exists (select from " ~ relation ~ ")").rows[0][0]) %}
{%- endmacro %}

{% macro primary_key() %}
    {%- do return((model.constraints | selectattr("type", "equalto", "primary_key") | list)[0].columns) %}
{%- endmacro %}
