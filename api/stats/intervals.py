"""How sure a rate is: the bounds of its 95 % Wilson interval.

A rate over few is hardly known, and one over nothing not at all. The lower bound ranks, so that 1
of 2 does not outrank 30 of 100.
"""

import math
from typing import LiteralString

# The normal distribution holds 95 % between its negative and this.
_Z = 1.959963984540054
_Z_SQL: LiteralString = "1.959963984540054::double precision"


def wilson(part: int, whole: int) -> tuple[float, float] | None:
    """The bounds of the rate `part` ÷ `whole`; None over nothing."""
    if not whole:
        return None
    rate, square = part / whole, _Z * _Z / whole
    center = (rate + square / 2) / (1 + square)
    half = _Z * math.sqrt(rate * (1 - rate) / whole + square / (4 * whole)) / (1 + square)
    # What rounding adds at the ends is no rate.
    lower = max(0.0, center - half) if part else 0.0
    return lower, min(1.0, center + half) if part < whole else 1.0


def wilson_sql(part: LiteralString, whole: LiteralString) -> tuple[LiteralString, LiteralString]:
    """The same bounds as SQL over two expressions; null over nothing."""
    n: LiteralString = f"nullif({whole}, 0)::double precision"
    center: LiteralString = f"({part} + {_Z_SQL} ^ 2 / 2) / ({n} + {_Z_SQL} ^ 2)"
    half: LiteralString = (
        f"{_Z_SQL} / ({n} + {_Z_SQL} ^ 2) "
        f"* sqrt({part}::double precision * ({whole} - {part}) / {n} + {_Z_SQL} ^ 2 / 4)"
    )
    lower: LiteralString = (
        f"case when {part} = 0 and {whole} > 0 then 0::double precision "
        f"else greatest(0, {center} - {half}) end"
    )
    upper: LiteralString = (
        f"case when {part} = {whole} and {whole} > 0 then 1::double precision "
        f"else least(1, {center} + {half}) end"
    )
    return f"(case when {whole} > 0 then {lower} end)", f"(case when {whole} > 0 then {upper} end)"
