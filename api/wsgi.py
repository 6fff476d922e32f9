"""The application for a WSGI server: `granian --interface wsgi api.wsgi:app`."""

import gc

from actionsight.settings import forget_secrets, load
from api import logs
from api.app import create_app

logs.configure()
app = create_app(load())
# What is there by now stays: whoever looks for garbage between requests need not look at it.
gc.freeze()
# The server hands this process's environment on with every request, for whoever reports an error.
forget_secrets()
