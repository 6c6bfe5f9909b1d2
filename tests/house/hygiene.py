"""The rules for a chapter's notebook. Each one returns what is wrong, as sentences; nothing if all is well.

nbval compares outputs, but it does not see a notebook that was never run, a picture, or an ignored output.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

from resnet_utils.reporting.roles import COLORS
from tools import project, sitting

ALLOWED_TAGS = {"hide-input", "raises-exception", "nbval-ignore-output", "remove-stdout"}
ALLOWED_DIRECTIVES = {
    *("admonition", "note", "tip", "hint", "important", "warning", "caution", "seealso"),
    *("exercise", "exercise-start", "exercise-end", "solution", "solution-start", "solution-end"),
    *("prf:theorem", "prf:lemma", "prf:definition", "prf:proof"),
}
ALLOWED_ROLES = {"cite", "cite:t", "cite:p", "ref", "numref", "eq", "doc", "term", "prf:ref"}
STYLE = project.ROOT / "site" / "static" / "figures.css"
MOST_LINES = 25
MOST_COLUMNS = 88  # of a line of code, so that a page need not be scrolled sideways
DRAWING = re.compile(r"\b(?:plt|plotting|figure|axes|ax|panel|drawing|diagrams)\b")
MOST_OPEN_DRAWING = 12  # lines of a picture whose drawing is itself the lesson
IGNORED_SHARE = 5  # at most one output in five may go uncompared
NAME_OF_FIGURE = re.compile(r"fig-[a-z0-9]+(?:-[a-z0-9]+)*")
TELEPHONE, SMALLEST = 328, 6.4  # pixels: the width of its column, and of letters that can still be read
ANY_PAPER = {"none", "#ffffff", "#bbbbbb", "#111111"}  # seen on light and dark, or only on pictures
MOST_WORDS_OF_ALT = 60  # what a listener can keep in mind
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
TRACES = {
    "an absolute path": re.compile(
        r"(?<![\w/:.<])/(?:home|root|work|tmp|usr|opt|mnt|Users|content|var)/|\b[A-Z]:\\"
    ),
    "a memory address": re.compile(r"\b0x[0-9a-fA-F]{6,}"),
    "a timestamp": re.compile(r"\b(?:19|20)\d\d-\d\d-\d\d[T ]\d\d:\d\d|\b\d\d:\d\d:\d\d\b"),
}


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook: NotebookNode) -> str:
    """All Markdown of the notebook as one text, captions among it."""
    return "\n\n".join(
        cell.source if cell.cell_type == "markdown" else sitting.caption(cell) for cell in notebook.cells
    )


def shows_picture(cell: NotebookNode) -> bool:
    """Whether a code cell has put out a picture."""
    return any(kind in output.get("data", {}) for output in cell.get("outputs", []) for kind in PICTURES)


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def output_text(cell: NotebookNode) -> str:
    """Everything a cell has put out that is text."""
    parts = []
    for output in cell.outputs:
        parts += [output.get("text", ""), output.get("ename", ""), output.get("evalue", "")]
        parts += list(output.get("traceback", []))
        parts += [str(data) for kind, data in output.get("data", {}).items() if kind not in PICTURES]
    return "\n".join(parts)


def was_run_in_order(notebook: NotebookNode) -> list[str]:
    """Execution counts are 1, 2, 3 ...; a notebook without them would pass nbval whatever it prints."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    return [] if counts == list(range(1, len(counts) + 1)) and counts else [f"execution counts are {counts}"]


def has_plain_metadata(notebook: NotebookNode) -> list[str]:
    """The kernel is ``python3``; nothing of the machine that ran the notebook is kept."""
    wrong = []
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        wrong.append(f"the kernel must be python3, but is {notebook.metadata.get('kernelspec')}")
    if extra := set(notebook.metadata) - {"kernelspec", "language_info"}:
        wrong.append(f"needless metadata {sorted(extra)}")
    return wrong + [
        f"code cell {i} has needless metadata {sorted(extra)}"
        for i, cell in enumerate(code_cells(notebook), start=1)
        if (extra := set(cell.metadata) - {"tags", "mystnb"})
    ]


def has_allowed_tags(notebook: NotebookNode) -> list[str]:
    """Only the four tags; and none of nbval's comments, which would do the same unseen."""
    wrong = [
        f"cell {i} has the tag {tag!r}; allowed: {', '.join(sorted(ALLOWED_TAGS))}"
        for i, cell in enumerate(notebook.cells)
        for tag in tags(cell)
        if tag not in ALLOWED_TAGS
    ]
    return wrong + [
        f"code cell {i} steers nbval by a comment; use a tag"
        for i, cell in enumerate(code_cells(notebook), start=1)
        if re.search(r"#\s*(?:NBVAL|PYTEST_VALIDATE)_", cell.source)
    ]


def has_clean_outputs(notebook: NotebookNode) -> list[str]:
    """No error stream, no path, no address, no time of day."""
    wrong = []
    for i, cell in enumerate(code_cells(notebook), start=1):
        for output in cell.outputs:
            if output.get("name") == "stderr":
                wrong.append(f"code cell {i} wrote to stderr")
            if output.output_type == "error" and "raises-exception" not in tags(cell):
                wrong.append(f"code cell {i} failed with {output.ename}")
        for what, pattern in TRACES.items():
            if found := pattern.search(output_text(cell)):
                wrong.append(f"code cell {i} printed {what}: {found[0]!r}")
    return wrong


def has_few_ignored_outputs(notebook: NotebookNode) -> list[str]:
    """At most a fifth of the outputs goes uncompared, and an ``assert`` follows each of these."""
    cells = code_cells(notebook)
    with_output = [cell for cell in cells if cell.outputs]
    ignored = [i for i, cell in enumerate(cells) if "nbval-ignore-output" in tags(cell)]
    wrong = []
    if len(ignored) * IGNORED_SHARE > len(with_output):
        wrong.append(f"{len(ignored)} of {len(with_output)} outputs are ignored; at most a fifth may be")
    return wrong + [
        f"code cell {i + 1} is ignored, but the next code cell has no assert"
        for i in ignored
        if i + 1 == len(cells) or not has_assert(cells[i + 1].source)
    ]


def has_assert(source: str) -> bool:
    """Whether a cell asserts anything."""
    return (
        re.search(r"^\s*(?:assert\b|raise AssertionError\b|(?:\w+\.)*assert_\w+\()", source, re.MULTILINE)
        is not None
    )


def has_text_beside_pictures(notebook: NotebookNode) -> list[str]:
    """nbval never compares pictures, so a cell with one also prints a digest of it, and that is compared."""
    wrong = []
    for i, cell in enumerate(code_cells(notebook), start=1):
        if not shows_picture(cell):
            continue
        if not any(o.output_type == "stream" and o.name == "stdout" and o.text.strip() for o in cell.outputs):
            wrong.append(f"code cell {i} shows a picture, but prints no digest of what it plots")
        if "nbval-ignore-output" in tags(cell):
            wrong.append(f"code cell {i} shows a picture whose digest is ignored")
    return wrong


def has_prose_before_pictures(notebook: NotebookNode) -> list[str]:
    """The cell before a picture is prose that leads there."""
    wrong, count = [], 0
    for before, cell in zip([None, *notebook.cells], notebook.cells, strict=False):
        count += cell.cell_type == "code"
        if shows_picture(cell) and (before is None or before.cell_type != "markdown"):
            wrong.append(f"code cell {count} shows a picture, but no sentence before it leads there")
    return wrong


def has_words_for_eye_and_ear(notebook: NotebookNode) -> list[str]:
    """Each picture has a name to refer to, a caption that says what to see, and an alternative text that says
    what is in the picture: two texts, since a listener gets both. The prose has no third."""
    wrong = []
    for i, cell in enumerate(code_cells(notebook), start=1):
        given = cell.metadata.get("mystnb", {})
        if not shows_picture(cell):
            wrong += [f"code cell {i} has words for a figure, but shows none"] if given else []
            continue
        name, caption = given.get("figure", {}).get("name", ""), sitting.caption(cell).strip()
        alt = given.get("image", {}).get("alt", "").strip()
        if not NAME_OF_FIGURE.fullmatch(name):
            wrong.append(f"the figure of code cell {i} is called {name!r}; wanted: fig-some-words")
        if not (caption.endswith(".") and alt.endswith(".")):
            wrong.append(f"the figure of code cell {i} needs a caption and an alt text, each a sentence")
        if alt and (alt in caption or caption in alt):
            wrong.append(f"the alt text of code cell {i} repeats the caption; say what is in the picture")
        if len(alt.split()) > MOST_WORDS_OF_ALT or re.search(r"[`{$*]|\b(?:may|might)\b|if there", alt):
            wrong.append(f"the alt text of code cell {i} is too long, has markup, or says what may be there")
    told = [line for line in prose(notebook).splitlines() if line.startswith("**Figure")]
    return wrong + [f"this belongs into the caption of a figure: {line[:60]!r}" for line in told]


def has_digests_off_the_page(notebook: NotebookNode) -> list[str]:
    """What a figure prints is its digest and nothing else; the page leaves it out, nbval sees it."""
    wrong = []
    for i, cell in enumerate(code_cells(notebook), start=1):
        is_off = "remove-stdout" in tags(cell)
        if is_off != shows_picture(cell):
            wrong.append(
                f"code cell {i}: the tag remove-stdout is for cells with a figure, and for all of them"
            )
        said = re.sub(r"print\(\w+\.digest\)", "", cell.source)
        if is_off and re.search(r"\b(?:print|show)\(", said):
            wrong.append(f"code cell {i} prints more than the digest of its figure; give that its own cell")
    return wrong


def has_figures_for_every_page(notebook: NotebookNode) -> list[str]:
    """The letters of a drawn figure can be read on a telephone, and each of its lines in light and in dark.

    A colour is that of a role, or the page's style sheet has another one for the dark.
    """
    style = STYLE.read_text(encoding="utf-8")
    known = ANY_PAPER | set(re.findall(r"#[0-9a-f]{6}", style)) | {c.lower() for c in COLORS.values()}
    wrong = []
    for i, cell in enumerate(code_cells(notebook), start=1):
        for svg in (output.get("data", {}).get("image/svg+xml", "") for output in cell.outputs):
            wide = re.search(r'viewBox="0 0 ([\d.]+) ', svg)
            sizes = [float(size) for size in re.findall(r'<(?:text|svg)\b[^>]* font-size="([\d.]+)"', svg)]
            if wide and min(sizes, default=99) * min(1, TELEPHONE / float(wide[1])) < SMALLEST:
                wrong.append(f"the figure of code cell {i} has letters too small for a telephone")
            lines = {colour.lower() for colour in re.findall(r'\bstroke="([^"]+)"', svg)}
            lines |= {colour.lower() for colour in re.findall(r'<text\b[^>]*\bfill="([^"]+)"', svg)}
            if strange := sorted(lines - known):
                wrong.append(f"the figure of code cell {i} has {strange}, which figures.css does not know")
    return wrong


def has_short_cells(notebook: NotebookNode) -> list[str]:
    """A cell fits on a screen, and a line on the page; what is longer belongs in the package."""
    wide = [
        f"code cell {i}, line {n} has {len(line)} columns; at most {MOST_COLUMNS}"
        for i, cell in enumerate(code_cells(notebook), start=1)
        for n, line in enumerate(cell.source.splitlines(), start=1)
        if len(line) > MOST_COLUMNS and "git+" not in line
    ]
    return wide + [
        f"code cell {i} has {lines} lines; at most {MOST_LINES}"
        for i, cell in enumerate(code_cells(notebook), start=1)
        if (lines := len(cell.source.splitlines())) > MOST_LINES
    ]


def has_checked_exercises(notebook: NotebookNode) -> list[str]:
    """At least two exercises; each has a solution, and each solution runs an ``assert``."""
    text = prose(notebook)
    asked = re.findall(
        r"^[`:]{3,}\{exercise(?:-start)?\}.*\n(?:\s*:\w+:.*\n)*?\s*:label:\s*(\S+)", text, re.M
    )
    solved = re.findall(r"^[`:]{3,}\{solution(?:-start)?\}\s*(\S+)", text, re.M)
    wrong = [] if len(asked) >= 2 else [f"{len(asked)} exercises; at least two are wanted"]
    wrong += [f"exercise {label} has no solution" for label in asked if label not in solved]
    wrong += [f"solution {label} has no exercise" for label in solved if label not in asked]
    inside: str | None = None
    asserted: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if inside and has_assert(cell.source):
                asserted.add(inside)
            continue
        for start, label in re.findall(r"\{solution-(start|end)\}[ \t]*(\S*)", cell.source):
            inside = label if start == "start" else None
    return wrong + [f"solution {label} asserts nothing" for label in solved if label not in asserted]


def has_the_parts_of_a_chapter(notebook: NotebookNode) -> list[str]:
    """Title, goals as a list, what it needs and how long it runs, summary, references."""
    text = prose(notebook)
    line = r"\*\*Needs\*\*[\s\S]{0,300}\*\*Uses\*\*[\s\S]{0,400}\*\*To read\*\*[\s\S]{0,60}\*\*Runs in\*\*"
    wanted = {
        "title": r"^# \S",
        "list of goals": r"\*\*After this (?:chapter|section) you can\*\*:?\s*\n\s*\n?- ",
        "line **Needs** ... **Uses** ... **To read** ... **Runs in**": line,
        "section Exercises": r"^## Exercises",
        "section Summary": r"^## Summary",
        "section References": r"^## References",
    }
    return [f"there is no {what}" for what, pattern in wanted.items() if not re.search(pattern, text, re.M)]


def is_one_sitting(notebook: NotebookNode) -> list[str]:
    """Read in 25 minutes, 40 code cells before the exercises, and the page says how many minutes."""
    minutes, cells = sitting.minutes(notebook), sitting.cells_before_the_exercises(notebook)
    wrong = []
    if minutes > sitting.MOST_MINUTES:
        wrong.append(f"it takes {minutes:.1f} minutes to read; at most {sitting.MOST_MINUTES}")
    if cells > sitting.MOST_CELLS:
        wrong.append(f"{cells} code cells before the exercises; at most {sitting.MOST_CELLS}")
    promised = sitting.TO_READ.search(prose(notebook))
    if promised and int(promised[1]) != sitting.rounded(notebook):
        wrong.append(f"it says {promised[1]} minutes, but takes {sitting.rounded(notebook)}")
    return wrong + ([] if promised else ["it does not say how long it takes: **To read** ... minutes"])


def has_hidden_only_what_may_be(notebook: NotebookNode) -> list[str]:
    """Folded: the set-up and what draws. Open: everything that carries the argument.

    The set-up is the first two code cells. What draws shows a picture or only plots, and asserts nothing.
    """
    wrong = []
    for i, cell in enumerate(code_cells(notebook), start=1):
        hidden = "hide-input" in tags(cell)
        if i <= 2:
            wrong += [] if hidden else [f"code cell {i} is set-up, so it is folded: tag it hide-input"]
            continue
        if hidden and not DRAWING.search(cell.source):
            wrong.append(f"code cell {i} is folded, but it draws nothing")
        if hidden and has_assert(cell.source):
            wrong.append(f"code cell {i} is folded, but it asserts something")
        if shows_picture(cell) and not hidden and len(cell.source.splitlines()) > MOST_OPEN_DRAWING:
            wrong.append(f"code cell {i} draws in {len(cell.source.splitlines())} open lines: fold it")
    return wrong


def defines_no_checker(notebook: NotebookNode) -> list[str]:
    """The checkers of the exercises live in ``resnet_utils.exercises``, where they are tested."""
    source = "\n".join(cell.source for cell in code_cells(notebook))
    return [f"{name} belongs into resnet_utils.exercises" for name in re.findall(r"def (check_\w+)", source)]


def has_allowed_directives(notebook: NotebookNode) -> list[str]:
    """Hosted notebooks show directives raw, so only those that still read well are used."""
    text = prose(notebook)
    directives = set(re.findall(r"^\s*[`:]{3,}\{([\w:-]+)\}", text, re.M)) - ALLOWED_DIRECTIVES
    roles = set(re.findall(r"(?<!`)\{([\w:-]+)\}`[^`]", text)) - ALLOWED_ROLES
    return [f"the directive {name!r} is not in use here" for name in sorted(directives)] + [
        f"the role {name!r} is not in use here" for name in sorted(roles)
    ]


def begins_by_installing(notebook: NotebookNode) -> list[str]:
    """The first code cell is the one of all notebooks: it installs the package where that is missing."""
    first = code_cells(notebook)[0]
    found = re.sub(r"git\+https://github\.com/[\w.-]+/[\w.-]+", f"git+{project.PLACEHOLDER}", first.source)
    wrong = (
        [] if found == project.FIRST_CELL else ["the first code cell is not tools/project.py's FIRST_CELL"]
    )
    return wrong + ([] if "hide-input" in tags(first) else ["the first code cell lacks the tag hide-input"])


RULES = [
    was_run_in_order,
    has_plain_metadata,
    has_allowed_tags,
    has_clean_outputs,
    has_few_ignored_outputs,
    has_text_beside_pictures,
    has_prose_before_pictures,
    has_words_for_eye_and_ear,
    has_digests_off_the_page,
    has_figures_for_every_page,
    has_short_cells,
    has_checked_exercises,
    has_the_parts_of_a_chapter,
    is_one_sitting,
    has_hidden_only_what_may_be,
    defines_no_checker,
    has_allowed_directives,
    begins_by_installing,
]
