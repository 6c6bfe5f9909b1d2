"""Calls of the functions in ``files``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
