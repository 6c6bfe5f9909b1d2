"""Calls of the functions in ``toy``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
