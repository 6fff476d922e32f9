"""GitHub's REST API and its pages for signing in, as a Flask application over a world."""
