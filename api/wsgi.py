"""The application for a WSGI server: `granian --interface wsgi api.wsgi:app`."""

from actionsight.settings import forget_secrets, load
from api import logs
from api.app import create_app

logs.configure()
app = create_app(load())
# The server hands this process's environment on with every request, for whoever reports an error.
forget_secrets()
