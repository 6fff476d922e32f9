"""stub"""

from benchmarks.collection.surroundings import Machine


def measure(on: Machine, rounds: int) -> None:
    pass
