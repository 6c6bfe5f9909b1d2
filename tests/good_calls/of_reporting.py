"""Calls of the functions in ``reporting``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
