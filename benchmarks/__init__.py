"""Measurements: ratios within one run, on the servers of this machine."""
