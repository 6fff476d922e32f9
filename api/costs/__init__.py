"""GET /costs and /costs/unpriced: minutes and money, and what of them was for nothing."""
