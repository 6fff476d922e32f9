-- What has committed and brought rows, of polls, of the drain of webhooks, and others.
create or replace view raw.loads as
select load_id::text as load_id, inserted_at as committed_at
from raw._dlt_loads
where status = 0
union all
select batch_id, drained_at
from raw.webhook_batches
where run_count + job_count + repository_count > 0
union all
select load_id, loaded_at from raw.direct_loads;
