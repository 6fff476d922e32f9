"""Answers that were computed before: kept as bytes, found by all that they depend on."""
