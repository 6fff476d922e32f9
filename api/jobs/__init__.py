"""GET /jobs, /jobs/{job_id} and what a workflow's jobs and steps tell."""
