"""Make the executed notebooks ``book/NAME.ipynb`` from the text twins ``text/NAME.md``.

    python tools/notebooks.py                 every chapter: convert, execute, write
    python tools/notebooks.py 03 04_full      only these (a name, or the beginning of one with all its rooms)
    python tools/notebooks.py --prose 03      take over changed prose, keep the stored outputs
    python tools/notebooks.py --format 03     let ruff format the code cells of the text
    python tools/notebooks.py --minutes       how long each takes to read, and its code cells
    python tools/notebooks.py --check         do text and notebooks agree? (runs and writes nothing)

The way goes in one direction: text is edited, notebooks are made.
Making a notebook twice gives the same bytes; when it was last executed stands in ``book/executions.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from nbclient import NotebookClient
from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import executions, home, patience, project, references, sitting, strict

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def read_text(name: str, text: Path = project.TEXT) -> NotebookNode:
    """The chapter as a notebook without outputs, its address and its references filled in.

    A cell's id comes from its text before that, so a new address changes no id.
    """
    source = (text / f"{name}.md").read_text(encoding="utf-8")
    source = references.expand(source, project.BOOK / "references.bib")
    notebook = jupytext.reads(source, fmt="md:myst")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(
            {k: v for k, v in cell.metadata.items() if k in ("tags", "mystnb")}
        )
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:10]
        seen[digest] = seen.get(digest, 0) + 1  # two equal cells still need two ids
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        cell.source = cell.source.replace(project.PLACEHOLDER, project.address())
    opening = next((cell for cell in notebook.cells if sitting.PLACEHOLDER in cell.source), None)
    if opening is not None:
        told = opening.source
        opening.source = told.replace(sitting.PLACEHOLDER, "0")  # counted as the one word that it becomes
        opening.source = told.replace(sitting.PLACEHOLDER, str(sitting.rounded(notebook)))
    return notebook


def sources(notebook: NotebookNode) -> list[tuple]:
    """What must be equal in both twins: type, id, tags, source, and words of the figure of every cell."""
    return [
        (
            cell.cell_type,
            cell.id,
            tuple(cell.metadata.get("tags", ())),
            cell.source,
            cell.metadata.get("mystnb", {}),
        )
        for cell in notebook.cells
    ]


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run every cell in a new kernel whose working directory is ``folder``; outputs are stored in place.

    A warning is an error there, with the exceptions of pyproject.toml.
    """
    os.environ["BOOK_PROGRESS"] = "0"
    strict.kernels()
    client = NotebookClient(
        notebook,
        timeout=int(patience.seconds(patience.CELL)),
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],  # no word about the transport
    )
    client.execute()


def tidy(notebook: NotebookNode) -> list[str]:
    """Remove from the outputs what differs between machines; return what must not be there at all."""
    notebook.metadata = nbformat.from_dict(METADATA)
    complaints = []
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                complaints.append(f"cell {count} wrote to stderr: {output.text.strip()[:300]}")
            if output.output_type == "error":
                output.traceback = [f"{output.ename}: {output.evalue}"]  # frames name folders of this machine
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
    return complaints


def write(notebook: NotebookNode, path: Path) -> bool:
    """Write ``notebook`` to ``path`` at once or not at all; tell whether the file changed."""
    nbformat.validate(notebook)
    content = nbformat.writes(notebook, version=4) + "\n"
    content = re.sub(r"\n+\Z", "\n", content)
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return False
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8"
    ) as part:
        part.write(content)
    os.chmod(part.name, 0o644)
    os.replace(part.name, path)
    return True


def make(name: str, *, book: Path = project.BOOK, text: Path = project.TEXT) -> bool:
    """Convert and execute one chapter, and note when and how; tell whether its file changed."""
    notebook = read_text(name, text)
    path = book / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    at, start = executions.commit(name), executions.Clock.now()
    execute(notebook, path.parent)
    end = executions.Clock.now()
    if complaints := tidy(notebook):
        raise ValueError(f"{name}: nothing may be written to stderr, but " + "; ".join(complaints))
    changed = write(notebook, path)
    executions.keep(name, executions.of(notebook, start, end, at), book)
    return changed


def take_prose(name: str, *, book: Path = project.BOOK, text: Path = project.TEXT) -> bool:
    """Bring changed prose, tags and captions into the notebook and keep its outputs; changed code is refused.

    The first code cell may change: where notebooks are made the package is there, and it does nothing.
    """
    stored = nbformat.read(book / f"{name}.ipynb", as_version=4)
    notebook = read_text(name, text)

    def code(nb: NotebookNode) -> list[tuple]:
        return [row[3] for row in sources(nb) if row[0] == "code"]

    def first(nb: NotebookNode) -> NotebookNode:
        return next(cell for cell in nb.cells if cell.cell_type == "code")

    installs = all("resnet-utils @ git+" in first(nb).source for nb in (stored, notebook))
    skipped = int(installs and not first(stored).outputs)
    if code(stored)[skipped:] != code(notebook)[skipped:]:
        raise ValueError(f"{name}: its code has changed too, so it must be executed (leave --prose away)")
    ids = [cell.id for cell in notebook.cells]
    given = [cell.metadata for cell in notebook.cells]
    notebook = combine_inputs_with_outputs(notebook, stored, fmt="md:myst")
    for cell, cell_id, metadata in zip(notebook.cells, ids, given, strict=True):
        cell.id, cell.metadata = cell_id, metadata
    if skipped:
        first(notebook).execution_count = first(stored).execution_count
    notebook.metadata = nbformat.from_dict(METADATA)
    return write(notebook, book / f"{name}.ipynb")


def disagreements(name: str, *, book: Path = project.BOOK, text: Path = project.TEXT) -> list[str]:
    """What differs between the text of a chapter and its notebook; empty when they agree."""
    path = book / f"{name}.ipynb"
    if not path.exists():
        return [f"{name}: text/{name}.md has no notebook; run: make notebooks"]
    wanted, stored = sources(read_text(name, text)), sources(nbformat.read(path, as_version=4))
    if len(wanted) != len(stored):
        return [f"{name}: the text has {len(wanted)} cells, the notebook {len(stored)}; run: make notebooks"]
    return [
        f"{name}: cell {i} differs; text: {w[3][:60]!r}, notebook: {s[3][:60]!r}; run: make notebooks"
        for i, (w, s) in enumerate(zip(wanted, stored, strict=True))
        if w != s
    ]


def format_code(name: str, text: Path = project.TEXT) -> bool:
    """Let ruff format the code cells of a text, in place; tell whether anything changed."""
    path = text / f"{name}.md"
    before = jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst")
    before.metadata = nbformat.from_dict(METADATA)
    command = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--stdin-filename",
        str(project.BOOK / f"{name}.ipynb"),  # the width of a page, not that of a module
        "-",
    ]
    done = subprocess.run(
        command, input=nbformat.writes(before), capture_output=True, encoding="utf-8", check=True
    )
    after = nbformat.reads(done.stdout, as_version=4)
    old = new = path.read_text(encoding="utf-8")
    for cell, formatted in zip(before.cells, after.cells, strict=True):
        if cell.cell_type == "code" and cell.source != formatted.source:
            new = new.replace(f"\n{cell.source}\n```", f"\n{formatted.source}\n```", 1)
    path.write_text(new, encoding="utf-8")
    return new != old


def chosen(names: list[str]) -> list[str]:
    """Notebooks that are called so, or whose name begins with one of ``names``; all if none is given."""
    known = project.chapters()
    for name in names:
        if not any(chapter.startswith(name) for chapter in known):
            raise SystemExit(f"no notebook begins with {name!r}; there are: {', '.join(known) or 'none yet'}")
    exact = set(names) & {name for name in known if "/" in name}
    begins = tuple(name for name in names if name not in exact)
    return [n for n in known if not names or n in exact or (begins and n.startswith(begins))]


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("chapters", nargs="*", help="names or beginnings of names, such as 03 (default: all)")
    parser.add_argument("--check", action="store_true", help="only compare text and notebooks")
    parser.add_argument("--prose", action="store_true", help="take over prose, keep the stored outputs")
    parser.add_argument("--minutes", action="store_true", help="print the time each takes to read")
    parser.add_argument("--format", action="store_true", help="let ruff format the code of the text")
    options = parser.parse_args(arguments)
    names = [name.removesuffix(".md").removeprefix("text/") for name in options.chapters]
    if options.check:
        wrong = [line for name in chosen(names) for line in disagreements(name)]
        print("\n".join(wrong) or "text and notebooks agree")
        return 1 if wrong else 0
    if options.minutes:
        for name in chosen(names):
            notebook = read_text(name)
            cells = sitting.cells_before_the_exercises(notebook)
            print(f"{name}: {sitting.minutes(notebook):.1f} min, {cells} code cells before the exercises")
        return 0
    if options.format:
        for name in chosen(names):
            print(f"text/{name}.md {'formatted' if format_code(name) else 'unchanged'}")
        return 0
    if not options.prose and not os.environ.get("RESNET_BOOK_DATA"):
        print(
            "RESNET_BOOK_DATA is not set: chapters that use data sets will store the outputs of drawn images."
        )
    home.provide()
    if not options.prose:
        home.list_fonts()
    for name in chosen(names):
        start = time.monotonic()
        changed = take_prose(name) if options.prose else make(name)
        took = time.monotonic() - start
        size = (project.BOOK / f"{name}.ipynb").stat().st_size / 1000
        print(f"book/{name}.ipynb {'written' if changed else 'unchanged'}: {size:.0f} KB, {took:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
