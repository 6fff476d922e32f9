"""The dbt project as set-up parsed it: what Dagster's assets and all builds are made from."""

import sys
from itertools import chain
from pathlib import Path

from dbt.constants import PARTIAL_PARSE_FILE_NAME
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import extended_mashumuro_decoder
from psycopg.conninfo import conninfo_to_dict

# In the environment that the packages live in; `make setup` makes it.
FOLDER = Path(sys.prefix) / "share" / "actionsight"


def parsed_project(database_url: str) -> Manifest:
    """The project, to be built in this database.

    dbt by itself takes what it parsed for the same host, port and database alone, and needs five
    seconds to parse it for others; but in what it parsed stands no more of them than the
    database's name.
    """
    packed = (FOLDER / PARTIAL_PARSE_FILE_NAME).read_bytes()
    manifest: Manifest = Manifest.from_msgpack(packed, decoder=extended_mashumuro_decoder)
    # Where the address names none, as profiles.yml has it.
    database = str(conninfo_to_dict(database_url).get("dbname", "actionsight"))
    for node in chain(manifest.nodes.values(), manifest.sources.values()):
        if node.relation_name is not None:
            _, rest = node.relation_name.split(f'"{node.database}"', 1)
            node.relation_name = f'"{database}"{rest}'
        node.database = database
    # What macros know as `graph`.
    manifest.build_flat_graph()
    return manifest
