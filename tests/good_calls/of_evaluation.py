"""Calls of the functions in ``evaluation``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
