"""Calls of the functions in ``models``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
