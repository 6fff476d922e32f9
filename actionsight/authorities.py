"""The certificate authorities that everything which asks over https trusts."""

import ssl
from functools import cache
from pathlib import Path


@cache
def ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities, and beside them those of `ACTIONSIGHT_CA_FILE`.

    Raises:
        ssl.SSLError: the file holds no certificates.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
