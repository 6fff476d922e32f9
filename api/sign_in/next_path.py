"""Where a person goes after the sign-in: a path here or a page of a frontend of the settings."""

from collections.abc import Sequence

LONGEST_PATH = 2000


def next_address(value: str, frontends: Sequence[str]) -> str:
    """Check a path, or an address whose origin is a frontend's.

    Raises:
        ValueError: it is neither; half a sentence that says what would be.
    """
    for origin in frontends:
        rest = value.removeprefix(origin)
        # What only begins like an origin (`https://frontend.example.evil`) leads elsewhere.
        if rest != value and (not rest or rest.startswith("/")):
            next_path(rest or "/")
            return value
    return next_path(value)


def next_path(value: str) -> str:
    """Check a path, its query and fragment included.

    Browsers read `//host` and `/\\host` as another site, and drop tabs and line ends on the way
    there; so nothing but printable ASCII without spaces and backslashes passes.

    Raises:
        ValueError: it is no such path; half a sentence that says what would be.
    """
    is_plain = value.isascii() and value.isprintable() and " " not in value and "\\" not in value
    is_path = value.startswith("/") and not value.startswith("//")
    if not is_plain or not is_path or len(value) > LONGEST_PATH:
        raise ValueError(
            "must be a path of this address that begins with one slash, in printable ASCII "
            f"without spaces and backslashes, of at most {LONGEST_PATH} characters, or an address "
            "of a frontend of ACTIONSIGHT_FRONTEND_ORIGINS"
        )
    return value


# The last part says `$` where that also stands before a line end.
NEXT_SCHEMA = {
    "type": "string",
    "pattern": r"^/(?!/)[!-\[\]-~]*$(?!\n)",
    "maxLength": LONGEST_PATH,
}
