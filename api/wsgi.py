"""The application for a WSGI server: `granian --interface wsgi api.wsgi:app`."""

from actionsight.settings import load
from api.app import create_app

app = create_app(load())
