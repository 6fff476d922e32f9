"""GitHub's JSON, as polls and webhooks both read it."""

import json
from typing import Any

import orjson


def parse_json(text: bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deep.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # The slower parser takes a lone surrogate, which a text that GitHub cut can end in.
        return json.loads(text)
