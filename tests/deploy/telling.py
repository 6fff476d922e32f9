"""Which secrets a container is told: those of its kind of process, as the settings say."""

from actionsight.local.parts import PARTS
from actionsight.settings import API, COLLECTION, SETTINGS

# What runs beside the parts that `serve` becomes, as the kind of process that it is.
KINDS = {
    **{name: part.kind for name, part in PARTS.items()},
    "migrate": COLLECTION,
    "worker": COLLECTION,
}


def secrets_of(kind: str) -> set[str]:
    """Their variables; where each part has a role of its own, the API's address is its own, too."""
    names = {s.name for s in SETTINGS if s.secret and kind in (s.told_to or ())}
    if kind == API:
        return names - {"ACTIONSIGHT_DATABASE_URL"} | {"ACTIONSIGHT_API_DATABASE_URL"}
    return names
