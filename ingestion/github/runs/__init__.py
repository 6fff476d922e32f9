"""Runs as GitHub lists them, with their attempts and jobs, on their way into the raw tables."""
