"""GET /app/: the page, which knows this API and nothing else."""
