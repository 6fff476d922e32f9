"""The most memory that the collecting process has, for a history and for one ten times as long."""

from benchmarks.collection.environment import Machine, standin
from benchmarks.collection.first_load import load_first


def measure(on: Machine, attempts: int) -> None:
    """Print both peaks, and how much the longer history's is greater."""
    peaks = []
    for size in (attempts, 10 * attempts):
        with standin(size) as github, on.installation(github) as settings:
            result = load_first(settings, github)
        peaks.append(result["peak_bytes"])
        print(
            f"memory: {size:,} attempts, peak {result['peak_bytes'] / 2**20:,.0f} MB, "
            f"after the runs {result['collect_runs_peak_bytes'] / 2**20:,.0f} MB, "
            f"{result['counted']:,} requests in {result['seconds']:.0f} s, {result['loads']} loads"
        )
    print(f"  growth {peaks[1] / peaks[0] - 1:+.1%}")
