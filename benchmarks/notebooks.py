"""What each notebook of the book costs: the start of its kernel, its imports, and its cells.

    python -m benchmarks.notebooks                 every notebook, one after the other
    python -m benchmarks.notebooks 03 08_making    only these (a name, or the beginning of one)
    python -m benchmarks.notebooks --imports-only  without running the cells: a minute or two

Imports are measured in a process of their own with ``-X importtime``, which says what each module takes
without those that it imports itself; they are added up by package. A package that is loaded, and that no
cell names, could be left out by the modules that load it. The rest is read from a kernel that runs the
notebook as nbval does: wall time, and processor time of all its threads. The file is
``resnet_utils/reporting/records/speed_notebooks.json``.

nbval runs two notebooks at a time, each on a core of its own, so what it takes for parts one and two, the
numbered chapters, is about half of the processor time that their kernels take.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from benchmarks import machine
from resnet_utils.reporting import results
from tools import patience, project
from tools.sitting import MOST_MINUTES_TO_RUN, shared_by_two

PACKAGES = ("torch", "torchvision", "matplotlib", "numpy", "scipy", "PIL", "resnet_utils")
LATE = ("torchvision", "matplotlib", "scipy", "PIL", "pandas", "sklearn", "onnx", "keras")
LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)$")


def code_of(notebook: NotebookNode) -> str:
    """The code cells in order, without what only IPython understands.

    Args:
        notebook: as ``nbformat`` reads it.
    """
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            lines = cell.source.splitlines()
            found.append("\n".join(line for line in lines if not line.lstrip().startswith(("%", "!"))))
    return "\n".join(found)


def imports_of(code: str) -> list[str]:
    """The import statements at the top of the cells, each once.

    Args:
        code: as from ``code_of``; a block that an ``if`` left empty is passed over.
    """
    found: dict[str, None] = {}
    for block in re.split(r"\n(?=\S)", code):
        try:
            tree = ast.parse(block)
        except SyntaxError:
            continue
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                found[ast.unparse(node)] = None
    return list(found)


def import_seconds(report: str) -> dict[str, float]:
    """Seconds by package, from what ``python -X importtime`` writes.

    Args:
        report: its lines on stderr.
    """
    seconds: Counter[str] = Counter()
    for line in report.splitlines():
        if found := LINE.match(line):
            package = found[4].split(".")[0]
            seconds[package if package in PACKAGES else "other"] += int(found[1])
    return {name: micro / 1e6 for name, micro in seconds.items()}


def loaded_and_unnamed(report: str, code: str) -> list[str]:
    """Slow packages that the imports load although no cell names them.

    Args:
        report: of ``python -X importtime``.
        code: of the notebook.
    """
    loaded = {found[4].split(".")[0] for line in report.splitlines() if (found := LINE.match(line))}
    return [name for name in LATE if name in loaded and not re.search(rf"\b{name}\b", code)]


def of_imports(code: str, folder: Path) -> dict[str, Any]:
    """Import the notebook's modules in a fresh process.

    Args:
        code: of the notebook.
        folder: in which it runs.

    Raises:
        RuntimeError: if an import fails.
    """
    lines = "; ".join(imports_of(code)) or "pass"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(project.ROOT), *_given_path()])}
    report = _python(["-X", "importtime", "-c", lines], folder, environment).stderr
    timed = f"import time; w, p = time.perf_counter(), time.process_time(); {lines}; import sys; "
    timed += "sys.stdout.write(f'{time.perf_counter() - w} {time.process_time() - p}')"
    wall, processor = map(float, _python(["-c", timed], folder, environment).stdout.split())
    return {
        "import_wall": wall,
        "import_processor": processor,
        "import_by_package": import_seconds(report),
        "loaded_and_unnamed": loaded_and_unnamed(report, code),
    }


def _given_path() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


def _python(arguments: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess:
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise RuntimeError(f"the imports failed: {ran.stderr.strip().splitlines()[-1:]}")
    return ran


class Timed:
    """Runs a notebook in a kernel, and notes the kernel's clocks.

    Args:
        notebook: the notebook; its outputs are written in place.
        folder: in which it runs.
    """

    def __init__(self, notebook: NotebookNode, folder: Path) -> None:
        self.notebook, self.folder = notebook, folder

    def run(self) -> dict[str, float]:
        """Wall and processor seconds of the kernel's start and of all cells.

        Raises:
            nbclient.exceptions.CellExecutionError: if a cell fails.
        """
        import psutil  # comes with ipykernel
        from nbclient import NotebookClient

        client = NotebookClient(
            self.notebook, timeout=int(patience.seconds(patience.CELL)), kernel_name="python3",
            resources={"metadata": {"path": str(self.folder)}}, store_widget_state=False,
            extra_arguments=["--log-level=ERROR"],
        )  # fmt: skip
        started = time.perf_counter()
        with client.setup_kernel():
            kernel = psutil.Process(client.km.provisioner.pid)  # type: ignore[union-attr]
            ready, busy = time.perf_counter(), _processor(kernel)
            for place, cell in enumerate(self.notebook.cells):
                client.execute_cell(cell, place)
            ended, spent = time.perf_counter(), _processor(kernel)
        return {
            "kernel_wall": ready - started, "kernel_processor": busy,
            "cells_wall": ended - ready, "cells_processor": spent - busy,
        }  # fmt: skip


def _processor(process: Any) -> float:
    times = process.cpu_times()
    return times.user + times.system


def measured(name: str, *, imports_only: bool = False) -> dict[str, Any]:
    """One row of the table: the notebook ``name`` with all that it costs, in seconds.

    Args:
        name: without ending, such as "03_building_blocks/batchnorm".
        imports_only: whether its cells are left out.
    """
    path = project.BOOK / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    row: dict[str, Any] = {"notebook": name, **of_imports(code_of(notebook), path.parent)}
    if not imports_only:
        row |= Timed(notebook, path.parent).run()
    return row


def chosen(names: list[str]) -> list[str]:
    """The notebooks that begin so, in the order of the book; all where none is named.

    Args:
        names: beginnings.

    Raises:
        ValueError: if none begins so.
    """
    everything = [
        path.relative_to(project.BOOK).with_suffix("").as_posix() for path in map(Path, project.executed())
    ]
    found = [name for name in everything if not names or any(name.startswith(start) for start in names)]
    lost = [start for start in names if not any(name.startswith(start) for name in everything)]
    if lost:
        raise ValueError(f"no notebook begins with {lost[0]!r}; there are {', '.join(everything)}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the table; put it on record where all were run from a tree without changes.

    Args:
        arguments: instead of those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.notebooks", description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of names (default: all)")
    parser.add_argument("--imports-only", action="store_true", help="do not run the cells")
    parser.add_argument("--output", type=Path, default=machine.ROOT, help="root under which the record lies")
    asked = parser.parse_args(arguments)
    os.environ["BOOK_PROGRESS"] = "0"
    try:
        names = chosen(asked.names)
    except ValueError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    started, rows = time.perf_counter(), []
    heads = f"{'kernel':>7} {'imports':>8} {'torch':>6} {'vision':>6} {'mpl':>6} {'cells':>7}"
    print(f"{'notebook':50} {heads}  could be left out")
    for name in names:
        rows.append(measured(name, imports_only=asked.imports_only))
        print(printed(rows[-1]), flush=True)
    total = sum(row.get("kernel_wall", 0) + row.get("cells_wall", 0) for row in rows)
    shared = shared_by_two(rows)
    print(f"{len(rows)} notebooks: {total / 60:.1f} min, one after the other")
    print(
        f"the numbered chapters, shared by two cores: {shared / 60:.1f} min, at most {MOST_MINUTES_TO_RUN:g}"
    )
    commit = machine.commit()
    if asked.names or asked.imports_only or commit.endswith("+") or commit == "unknown":
        print("nothing is recorded: a record has every notebook, with cells, from a tree without changes")
        return 0
    write(rows, time.perf_counter() - started, asked.output)
    return 0 if shared <= 60 * MOST_MINUTES_TO_RUN else 1


def printed(row: dict[str, Any]) -> str:
    """A line of the table, seconds of wall time; by package as -X importtime says.

    Args:
        row: as from ``measured``.
    """
    parts = row["import_by_package"]
    by_package = " ".join(f"{parts.get(name, 0):6.2f}" for name in ("torch", "torchvision", "matplotlib"))
    unnamed = ", ".join(row["loaded_and_unnamed"])
    return (
        f"{row['notebook']:50} {row.get('kernel_wall', 0):7.2f} {row['import_wall']:8.2f} {by_package} "
        f"{row.get('cells_wall', 0):7.1f}  {unnamed}"
    )


def write(rows: list[dict[str, Any]], seconds: float, output: Path) -> Path:
    """Put the table on record.

    Args:
        rows: as from ``measured``.
        seconds: how long it took.
        output: the root under which it is written.
    """
    import torch

    record = results.Record(
        claim="What each notebook costs: the start of its kernel, its imports by package, and its cells.",
        command="python -m benchmarks.notebooks",
        commit=machine.commit(),
        date=machine.today(),
        data="the notebooks of the book"
        + (", with the data sets" if os.environ.get("RESNET_BOOK_DATA") else ", with drawings"),
        hardware=machine.hardware(torch.device("cpu")),
        versions=machine.versions(),
        seeds=[0],
        seconds=round(seconds),
        rows=rows,
    )
    path = output / "resnet_utils" / "reporting" / "records" / "speed_notebooks.json"
    record.write(path)
    return path


if __name__ == "__main__":
    sys.exit(main())
