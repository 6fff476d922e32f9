"""Where a person goes after the sign-in: a path of this API, never another site."""

LONGEST_PATH = 2000


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
            f"without spaces and backslashes, of at most {LONGEST_PATH} characters"
        )
    return value


# The last part says `$` where that also stands before a line end.
NEXT_SCHEMA = {
    "type": "string",
    "pattern": r"^/(?!/)[!-\[\]-~]*$(?!\n)",
    "maxLength": LONGEST_PATH,
}
