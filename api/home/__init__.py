"""GET /: a page for people who open the API in a browser."""
