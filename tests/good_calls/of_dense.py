"""Calls of the functions in ``dense``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
