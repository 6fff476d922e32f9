"""GET /healthz and /readyz: whether the process lives, and whether it can answer."""
