"""What the tests of the checkers share: names for the rows of answers that they try."""

from __future__ import annotations

import pytest


def named(rows):
    """The rows as parameters with ids that are the same in every process: checker and number.

    Pytest would take the ids from the answers, and an answer's words hold an address or a set's order.
    """
    return [pytest.param(*row, id=f"{row[0].__name__}-{number}") for number, row in enumerate(rows)]
