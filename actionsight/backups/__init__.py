"""Backups: an installation as a folder from which it can be made again elsewhere.

    manifest.json      what made it, when, and the size and checksum of every other file
    actionsight/       the database, by pg_dump in its directory format
    dagster/           Dagster's, likewise
    events.jsonl       what waited in the event buffer
    files/             what lies in the data folder and no program of ours makes again: the secret
                       key, the operator's lists of prices
    settings.env       which settings differed from their defaults; secrets by their names alone

A drain moves events from the buffer into the database, so the buffer is copied first: what is
acknowledged meanwhile is in the database that is dumped then, and what is in both is drained once
more and found in the ledger.
"""
