"""Polling of GitHub's REST API into the raw tables."""
