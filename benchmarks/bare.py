"""A bare Flask view: what the server and Flask cost by themselves."""

from flask import Flask, Response

app = Flask(__name__, static_folder=None)


@app.post("/webhooks/github")
def post_webhook() -> Response:
    """Reads nothing, stores nothing."""
    return Response(b'{"status":"accepted"}', 202, mimetype="application/json")
