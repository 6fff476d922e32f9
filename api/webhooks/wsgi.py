"""The receiver alone for a WSGI server: `granian --interface wsgi api.webhooks.wsgi:app`."""

from actionsight.settings import forget_secrets, load
from api import logs
from api.app import create_receiver

logs.configure()
app = create_receiver(load())
# As in `api.wsgi`.
forget_secrets()
