"""Calls of the functions in ``deployment``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
