"""JSON bodies, as GitHub's published schemas want them."""
