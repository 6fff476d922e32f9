"""The loops that collection consists of."""
