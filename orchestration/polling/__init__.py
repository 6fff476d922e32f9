"""Collection by polling: GitHub's REST API to the raw tables."""
