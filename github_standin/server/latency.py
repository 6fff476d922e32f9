"""How long answers take."""

import math
import random
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Latency:
    """Answers take log-normally long around *median_seconds*, always the same times in the same
    order for a *seed*; *spread* is the logarithm's standard deviation."""

    median_seconds: float
    spread: float = 0.4
    seed: int = 0
    _chance: random.Random = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_chance", random.Random(self.seed))  # noqa: S311

    def seconds(self) -> float:
        """How long the next answer takes."""
        return self._chance.lognormvariate(math.log(self.median_seconds), self.spread)
