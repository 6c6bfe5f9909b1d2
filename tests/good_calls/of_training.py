"""Calls of the functions in ``training``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
