"""Where runs work, but for this machine: Dagster's own engines, which here can tell of each run
whether its process lives (`orchestration/liveness.py`).

A file of sections beside each takes the place of those of `dagster.yaml`.
"""
