"""Dagster over the parts: thin assets, what runs when, and one connected lineage."""
