"""GET /workflows and /workflows/{workflow_id}: the workflows, each with its latest run."""
