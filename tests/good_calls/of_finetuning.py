"""Calls of the functions in ``finetuning``."""

CALLS = {}

UNBOUND: dict[tuple[str, str], str] = {}
