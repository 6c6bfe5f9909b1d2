"""What a translation keeps of its message: numbers, formulas, code, roles, addresses, emphasis.

Sphinx refuses a translation that loses a reference; this looks at everything else that can be counted.
"""

from __future__ import annotations

import re
from collections import Counter

from markdown_it import MarkdownIt

from tools import interface

ROLE_OR_CODE = re.compile(r"(?:\{([\w:+.-]+)\})?(?<!`)(`+)(?!`)(.+?)(?<!`)\2(?!`)", re.S)
FORMULA = re.compile(r"(?<![\\$])(\${1,2})(?=\S)((?:\\.|[^$\\])+?)(?<=\S)\1(?!\$)", re.S)
ADDRESS = re.compile(r"\]\(([^()\s]*(?:\([^()]*\)[^()\s]*)*)\)|<(https?://[^>]*)>")
TAG = re.compile(r"</?[a-z][^<>]*>")
EXPLICIT = re.compile(r"(.*?)<([^<>]+)>\s*$", re.S)
NUMBER = re.compile(r"(?:(?<![A-Za-z\d])|(?<=\dx))\d+(?:[.,]\d+)*")  # that of a name, such as md5, is none
MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
UNITS = {
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "\u4e07": 1e4,
    "\u4ebf": 1e8,
    "\u767e\u4e07": 1e6,
    "\u5343": 1e3,
}
HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
WIDE = (
    "\uff0c\u3002\uff1b\uff1a\uff1f\uff01\u3001\uff08\uff09\u300a\u300b\u201c\u201d\u2018\u2019\u2026\u2014"
)
# A half-width mark right after a Chinese character, or a straight quotation mark in Chinese text.
BARE = "\N{OBJECT REPLACEMENT CHARACTER}"
NARROW = re.compile(
    rf"(?<=[{HAN}])[,;:?!](?!\w)|(?<=[{HAN}])\.(?![\w.])|(?<=[{HAN}])[()]|[()](?=[{HAN}])|\""
    rf"|(?<={BARE})[,;:?!] ?(?=[{HAN}])"
)
MARKDOWN = MarkdownIt("commonmark")


def parts(message: str) -> tuple[Counter[str], str]:
    """What has to stay as it is, counted, and the prose around it with a mark in each place.

    The title of a role with a target of its own, and the words of a link, are prose.
    """
    kept: Counter[str] = Counter()

    def code(found: re.Match[str]) -> str:
        role, _, inner = found.groups()
        if role is None:
            kept[f"`{inner}`"] += 1
            return BARE
        if explicit := EXPLICIT.fullmatch(inner):
            kept[f"{{{role}}}`<{explicit[2].strip()}>`"] += 1
            return f"{BARE}{explicit[1].strip()}{BARE}"
        kept[f"{{{role}}}`<{inner}>`" if role == "term" else f"{{{role}}}`{inner}`"] += 1
        return BARE

    def formula(found: re.Match[str]) -> str:
        kept[f"${' '.join(found[2].split())}$"] += 1
        return BARE

    def address(found: re.Match[str]) -> str:
        kept[f"({found[1] or found[2]})"] += 1
        return f"]{BARE}"

    rest = ROLE_OR_CODE.sub(code, message)
    rest = FORMULA.sub(formula, rest)
    return kept, ADDRESS.sub(address, rest)


def has_words(message: str) -> bool:
    """Whether there is anything to translate: a word outside code, formulas and roles."""
    if message.startswith((".. image::", "\n")):  # the address of a picture, a formula in a line of its own
        return False
    return bool(interface.WORD.search(parts(message)[1]))


def numbers(prose: str) -> Counter[float | str]:
    """The numbers of a text by their values: 1.28 million is 128 \u4e07, and May 3 is 5 \u6708 3 \u65e5."""
    found: Counter[float | str] = Counter()
    for month in re.findall(rf"(\d+)\s*\u6708|({'|'.join(MONTHS)})(?=\s\d)", prose):
        found[MONTHS[int(month[0]) - 1] if month[0] else month[1]] += 1
    rest = re.sub(r"\d+\s*\u6708", "", prose)
    for number, unit in re.findall(rf"({NUMBER.pattern})(?:\s*({'|'.join(UNITS)}))?", rest):
        found[round(float(number.replace(",", "")) * UNITS[unit], 6) if unit else number] += 1
    return found


def emphases(message: str) -> Counter[str]:
    """How many pieces of emphasised and of strong text a renderer of Markdown finds."""
    tokens = MARKDOWN.parseInline(FORMULA.sub(BARE, message))[0].children or []
    return Counter(token.type for token in tokens if token.type in ("em_open", "strong_open", "link_open"))


def faults(message: str, translation: str) -> list[str]:
    """What a translation loses of its message, or adds, or sets in the other language's marks; in words."""
    if not has_words(message):
        return [] if translation == message else [f"there is nothing to translate in {message!r}"]
    if not translation.strip():
        return ["it is empty"]
    found = []
    kept, prose = parts(message)
    kept_too, prose_too = parts(translation)
    if lost := kept - kept_too:
        found.append(f"lost: {', '.join(lost.elements())}")
    if added := kept_too - kept:
        found.append(f"not in the message: {', '.join(added.elements())}")
    old, new = numbers(prose), numbers(prose_too)
    if old != new:
        found.append(
            f"numbers: lost {sorted((old - new).elements())}, added {sorted((new - old).elements())}"
        )
    if emphases(message) != emphases(translation):
        found.append(f"emphasis or links: {dict(emphases(message))} became {dict(emphases(translation))}")
    if narrow := NARROW.search(TAG.sub(BARE, prose_too)):
        found.append(
            f"a half-width mark in Chinese: ...{prose_too[max(0, narrow.start() - 8) : narrow.end() + 4]}"
        )
    if "\n" in translation.strip("\n") and "\n" not in message.strip("\n"):
        found.append("it has several lines")
    return found
