"""Deliveries of what happens, and who sends them."""
