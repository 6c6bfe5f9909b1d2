"""The pages that are written from what is kept elsewhere, before Jupyter Book or a translator reads them."""

from __future__ import annotations

from tools.web import cover, lists, measured, reference


def write() -> None:
    """Write all of them."""
    reference.write()
    lists.write()
    cover.write()
    measured.write()
