"""Bring the catalogue of the book in Chinese up to date, and say what is not translated.

    python tools/messages.py            gather the messages, keep what is translated, report
    python tools/messages.py --check    change nothing; fail unless all is translated, and faithfully

A message is a paragraph, a heading, a caption. One that was changed comes back marked as fuzzy, with its old
translation; mend it in ``locale/zh_CN/LC_MESSAGES/`` and take the mark away.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import project
from tools.translation import catalogue
from tools.web import generated, settings

SHOWN = 20  # messages of each kind that are named


def gather() -> dict[str, catalogue.Catalog]:
    """Domain -> its messages, as they stand now."""
    generated.write()
    return {
        "book": catalogue.gathered_texts(settings.configuration()),
        "interface": catalogue.gathered_words(),
    }


def report(domain: str, found: catalogue.Catalog) -> list[str]:
    """What is left to do in a domain, a line each; empty when nothing is."""
    total = sum(bool(entry.id) for entry in found)
    left = catalogue.unfinished(found)
    lines = []
    for kind, entries in left.items():
        if entries:
            lines.append(f"{domain}: {len(entries)} of {total} messages {kind}")
            lines += [f"    {entry.id[:90]!r}" for entry in entries[:SHOWN]]
    if wrong := catalogue.faults(found):
        lines.append(f"{domain}: {len(wrong)} translations do not say what their message says")
        lines += [f"    {fault}" for fault in wrong[:SHOWN]]
    return lines


def main() -> int:
    """Gather, write and report; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail where something is missing"
    )
    check = parser.parse_args().check
    left = []
    for domain, new in gather().items():
        path = catalogue.place(domain)
        found = catalogue.updated(catalogue.read(path), new)
        if not check:
            catalogue.write(path, found, domain)
        elif catalogue.written(found, domain) != path.read_text(encoding="utf-8"):
            left.append(f"{domain}: {path.relative_to(project.ROOT)} is not up to date; run `make messages`")
        left += report(domain, found)
    print("\n".join(left) or "Every message is translated.")
    return 1 if check and left else 0


if __name__ == "__main__":
    raise SystemExit(main())
