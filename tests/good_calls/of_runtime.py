"""Calls of the functions in ``runtime``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
