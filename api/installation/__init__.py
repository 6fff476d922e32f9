"""This installation: what it is, who changed what, and what its numbers mean."""
