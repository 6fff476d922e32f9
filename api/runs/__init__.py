"""GET /runs, /runs/{run_id} and what a workflow's runs tell: each run, its attempts and jobs."""
