"""The most memory that the collecting process has, for a history and for one ten times as long."""

from benchmarks.collection.environment import Machine, standin
from benchmarks.collection.first_load import load_first


def measure(on: Machine, attempts: int) -> None:
    """Print both peaks, and how much the longer history's is greater."""
    peaks = []
    for size in (attempts, 10 * attempts):
        with standin(size) as github, on.installation(github) as settings:
            told = load_first(settings, github)
        peaks.append(told["peak_bytes"])
        print(
            f"memory: {size:,} attempts, peak {told['peak_bytes'] / 2**20:,.0f} MB, "
            f"after the runs {told['collect_runs_peak_bytes'] / 2**20:,.0f} MB, "
            f"{told['counted']:,} requests in {told['seconds']:.0f} s, {told['loads']} loads"
        )
    print(f"  growth {peaks[1] / peaks[0] - 1:+.1%}")
