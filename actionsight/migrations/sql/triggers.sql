-- Which change of which table calls which function, in the transaction that makes it.

create or replace trigger owe_job_listings_insert after insert on raw.workflow_runs
referencing new table as changed
for each statement execute function raw.owe_job_listings();

create or replace trigger owe_job_listings_update after update on raw.workflow_runs
referencing new table as changed
for each statement execute function raw.owe_job_listings();

create or replace trigger note_polled_repository after insert or update on raw.repositories
for each row execute function raw.note_polled_repository();

create or replace trigger note_rows_insert after insert on raw.repositories
referencing new table as changed
for each statement execute function raw.note_rows();

create or replace trigger note_rows_update after update on raw.repositories
referencing old table as before new table as changed
for each statement execute function raw.note_rows();

create or replace trigger note_rows_insert after insert on raw.workflows
referencing new table as changed
for each statement execute function raw.note_rows();

create or replace trigger note_rows_update after update on raw.workflows
referencing old table as before new table as changed
for each statement execute function raw.note_rows();

create or replace trigger note_rows_insert after insert on raw.workflow_runs
referencing new table as changed
for each statement execute function raw.note_rows();

create or replace trigger note_rows_update after update on raw.workflow_runs
referencing old table as before new table as changed
for each statement execute function raw.note_rows();

create or replace trigger note_rows_insert after insert on raw.workflow_jobs
referencing new table as changed
for each statement execute function raw.note_rows();

create or replace trigger note_rows_update after update on raw.workflow_jobs
referencing old table as before new table as changed
for each statement execute function raw.note_rows();

create or replace trigger note_load after insert on raw._dlt_loads
for each row when (new.status = 0) execute function raw.note_load();

create or replace trigger forget_load after delete on raw._dlt_loads
for each row execute function raw.forget_load();

create or replace trigger note_batch after insert on raw.webhook_batches
for each row when (new.run_count + new.job_count + new.repository_count > 0)
execute function raw.note_batch();

create or replace trigger note_direct_load after insert on raw.direct_loads
for each row execute function raw.note_direct_load();

create or replace trigger note_polls after insert or update on raw.polls
for each row execute function raw.note_polls();
