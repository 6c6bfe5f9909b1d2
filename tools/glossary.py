"""The words of the glossary, as its page has them: English, Chinese, and what they mean."""

from __future__ import annotations

import re
from pathlib import Path

from tools import project

PAGE = project.BOOK / "glossary.md"
ENTRY = re.compile(r"^(\S.*)\n(?:(\S.*)\n)?  (\S.*)$", re.M)


def entries(page: Path = PAGE) -> list[tuple[str, str, str]]:
    """English word, Chinese word ("" for a name that has none) and definition, in their order."""
    return ENTRY.findall(page.read_text(encoding="utf-8").partition("{glossary}")[2])
