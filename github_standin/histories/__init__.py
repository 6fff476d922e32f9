"""Histories that fill a world: recorded, generated, and the demonstration's."""
