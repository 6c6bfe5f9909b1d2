"""Turns a chapter's ``{bibliography}`` directive into a plain list of the papers it cites.

A hosted notebook shows directives raw; a list with links reads well everywhere, and the website keeps one
bibliography page, to which every ``{cite}`` leads.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pybtex.database import Entry, parse_file
from pybtex.richtext import Text

DIRECTIVE = re.compile(r"^```\{bibliography\}\n(?::.*\n)*```$", re.MULTILINE)
CITE = re.compile(r"\{cite(?::\w)?\}`([^`]+)`")
MOST_AUTHORS = 4
VENUES = ("booktitle", "journal", "institution", "howpublished", "publisher")


@cache
def entries(path: Path) -> dict[str, Entry]:
    """Every entry of a BibTeX file, by key."""
    return dict(parse_file(path).entries)


def plain(latex: str) -> str:
    """A LaTeX string as plain text."""
    return str(Text.from_latex(latex))


def line(entry: Entry) -> str:
    """One entry as a list item: authors, title, where, year, link."""
    authors = [p for p in entry.persons["author"] if p.last_names != ["others"]]
    people = [" ".join([*p.first_names, *p.middle_names, *p.prelast_names, *p.last_names]) for p in authors]
    more = " and others" if len(people) > MOST_AUTHORS or len(authors) < len(entry.persons["author"]) else ""
    names = plain(", ".join(people[:MOST_AUTHORS])) + more
    venue = next((plain(entry.fields[name]) for name in VENUES if name in entry.fields), None)
    title = plain(entry.fields["title"]).rstrip(".")
    end = "" if title.endswith("?") else "."
    parts = [f"{names}.", f"*{title}*{end}"]
    arxiv = re.search(r"arXiv:[\d.]+\d", f"{entry.fields.get('note', '')} {venue}")
    if venue and not (arxiv and arxiv[0] in venue):
        parts.append(f"{venue},")
    parts.append(f"{entry.fields['year']}.")
    if url := entry.fields.get("url"):
        parts.append(f"[{arxiv[0] if arxiv else 'link'}]({url}).")
    return "- " + " ".join(parts)


def expand(text: str, bibliography: Path) -> str:
    """``text`` with its directive replaced by the list of what it cites, in the order of the keys.

    Raises:
        ValueError: if a citation is not in the bibliography.
    """
    if not DIRECTIVE.search(text):
        return text
    keys = sorted({key.strip() for group in CITE.findall(text) for key in group.split(",")})
    known = entries(bibliography)
    if unknown := [key for key in keys if key not in known]:
        raise ValueError(f"cited, but not in {bibliography.name}: {', '.join(unknown)}")
    return DIRECTIVE.sub(lambda _: "\n".join(line(known[key]) for key in keys), text)
