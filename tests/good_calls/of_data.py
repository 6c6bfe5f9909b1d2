"""Calls of the functions in ``data``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
