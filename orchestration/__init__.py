"""Dagster over the parts: thin assets, what runs when, and one connected lineage."""

import gc

# Dagster, dbt and dlt bring a million objects that stay. To look through them for garbage as often
# as Python does by itself is a fifth of their import, and a tenth of a build.
gc.set_threshold(50_000, 20, 50)
