"""A small Sphinx extension: figures to touch. A page says which sliders there are, a script draws.

On a page stands the directive ``touch`` with the figure's name and, in YAML, its sliders; where it shows a
recorded run, an option names the record and its columns. The scripts are in ``site/live/``, one for each
figure. When the site is built, node asks the script what it shows first, and that stands on the page before,
and without, any script.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools import interface, project
from tools.web import settings, vendor

LIVE = project.ROOT / "site" / "live"
WORDS = project.ROOT / "site" / "static" / settings.WORDS
PAGES = project.BOOK / "touch"
RECORDS = project.ROOT / "resnet_utils" / "reporting" / "records"
BLOCK = re.compile(r"^```\{touch\} (\w+)\n((?::\w+: [^\n]*\n)*)(.*?)^```$", re.M | re.S)
ASK = """
const [, live, words] = process.argv;
const { name, calls, shown, data, known } = JSON.parse(require("fs").readFileSync(0, "utf8"));
globalThis.BOOK_WORDS = known;
require(words);
const Touch = require(`${live}/touch.js`);
const found = require(`${live}/${name}.js`);
process.stdout.write(JSON.stringify({
  calls: calls.map(([what, given]) => found[what](...given)),
  shown: shown.map((state) => Touch.show(name, state, data)),
}));
"""


@dataclass(frozen=True)
class Slider:
    """One slider: whole steps from ``low`` to ``high``, and where it starts.

    name: what the script calls it.
    label: what the reader is told it changes, with its unit.
    """

    name: str
    label: str
    low: float
    high: float
    start: float
    step: float = 1

    def __post_init__(self) -> None:
        if not self.low <= self.start <= self.high or self.step <= 0:
            raise ValueError(
                f"slider {self.name!r}: start must lie between from and to, and step be above 0, got "
                f"{self.start}, {self.low}, {self.high}, {self.step}"
            )
        for name, value in (("start", self.start), ("to", self.high)):
            if abs((value - self.low) / self.step - round((value - self.low) / self.step)) > 1e-6:
                raise ValueError(f"slider {self.name!r}: {name} must be whole steps above from, got {value}")


@dataclass(frozen=True)
class Figure:
    """A figure as its page describes it: name, sliders, and the data that travels in the page."""

    name: str
    sliders: tuple[Slider, ...]
    data: dict[str, Any]

    @property
    def start(self) -> dict[str, float]:
        """Where every slider starts."""
        return {slider.name: slider.start for slider in self.sliders}


def read(name: str, options: dict[str, str], body: str) -> Figure:
    """The figure of a directive.

    Raises:
        ValueError: if the sliders, or the record with its columns, are not as they should be.
    """
    keys = {"name": "name", "label": "label", "from": "low", "to": "high", "start": "start", "step": "step"}
    rows, needed = yaml.safe_load(body), keys.keys() - {"step"}
    if not isinstance(rows, list) or not all(needed <= set(row) <= keys.keys() for row in rows):
        wanted = f"a list of sliders is wanted, each with {', '.join(sorted(needed))} and perhaps step"
        raise ValueError(f"figure {name!r}: {wanted}; got {rows}")
    sliders = tuple(Slider(**{keys[key]: value for key, value in row.items()}) for row in rows)
    return Figure(name, sliders, recorded(options["record"], options["columns"].split()) if options else {})


def recorded(name: str, columns: list[str]) -> dict[str, Any]:
    """These columns of a record's rows, with its commit and date.

    Raises:
        ValueError: if there is no such record, or no row with all of these columns.
    """
    path = RECORDS / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"there is no record {name!r} in {RECORDS.name}/")
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = [{key: row[key] for key in columns} for row in record["rows"] if row.keys() >= set(columns)]
    if not rows:
        raise ValueError(f"no row of the record {name!r} has the columns {columns}")
    return {"record": name, "commit": record["commit"], "date": record["date"], "rows": rows}


def figures(folder: Path = PAGES) -> dict[str, Figure]:
    """Every figure of the pages, by name."""
    found = {}
    for path in sorted(folder.glob("*.md")):
        for name, options, body in BLOCK.findall(path.read_text(encoding="utf-8")):
            given = dict(line[1:].split(": ", 1) for line in options.splitlines())
            found[name] = read(name, given, body)
    return found


def ask(
    figure: Figure, *, calls: list = (), shown: list = (), language: str = interface.ENGLISH
) -> dict[str, list]:
    """What a figure's script answers.

    Args:
        figure: the figure, whose data the script gets.
        calls: pairs of a function that the script exports and a list of its arguments.
        shown: states of the sliders, for each of which the script says picture, sentence and values.
        language: in which it says them.
    """
    asked = {"name": figure.name, "calls": list(calls), "shown": list(shown), "data": figure.data}
    asked["known"] = interface.script_words(language)
    command = [*vendor.node(), "-e", ASK, str(LIVE), str(WORDS)]
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise RuntimeError(f"the script of {figure.name!r} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def markup(figure: Figure, still: dict[str, Any], *, root: str, language: str = interface.ENGLISH) -> str:
    """The figure as HTML: still picture, sentence, sliders, data and scripts.

    Args:
        figure: what the page says.
        still: what it shows first.
        root: the way from the page to the root of the website, such as ``../../``.
        language: of the page.
    """
    say, sliders = interface.words(language), []
    for slider in figure.sliders:
        label, key = html.escape(say(slider.label)), f"touch-{figure.name}-{slider.name}"
        bounds = f'min="{slider.low}" max="{slider.high}" step="{slider.step}" value="{slider.start}"'
        value = html.escape(still["values"][slider.name])
        sliders.append(
            f'<div class="touch-slider"><label for="{key}">{label}</label>'
            f'<input type="range" id="{key}" name="{slider.name}" {bounds} aria-valuetext="{value}">'
            f'<output for="{key}">{value}</output></div>'
        )
    data = json.dumps(figure.data, separators=(",", ":")).replace("</", "<\\/")
    without = say(
        "With JavaScript switched on, sliders stand here; picture and sentence are those of the first state."
    )
    legend = say("Move the sliders")  # not within the f-string below, where nobody would find it
    scripts = "".join(
        f'<script src="{root}live/{name}.js" defer></script>' for name in ("touch", figure.name)
    )
    return "\n".join(
        [
            f'<link rel="stylesheet" href="{root}live/touch.css">',
            f'<figure class="touch" data-touch="{figure.name}">',
            f'<form class="touch-sliders"><fieldset disabled><legend>{legend}</legend>',
            *sliders,
            "</fieldset></form>",
            f'<div class="touch-picture">{still["picture"]}</div>',
            f'<figcaption class="touch-says" aria-live="polite">{html.escape(still["says"])}</figcaption>',
            f'<noscript><p class="touch-without">{without}</p></noscript>',
            f'<script type="application/json" class="touch-data">{data}</script>',
            f"</figure>{scripts}",
        ]
    )


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    from docutils import nodes
    from docutils.parsers.rst import directives
    from sphinx.util.docutils import SphinxDirective

    class TouchDirective(SphinxDirective):
        """``{touch} NAME`` with its sliders."""

        required_arguments = 1
        has_content = True
        option_spec = {"record": directives.unchanged, "columns": directives.unchanged}  # noqa: RUF012

        def run(self) -> list[nodes.Node]:
            figure = read(self.arguments[0], self.options, "\n".join(self.content))
            language = self.env.config.language
            (still,) = ask(figure, shown=[figure.start], language=language)["shown"]
            for path in (WORDS, LIVE / "touch.js", LIVE / f"{figure.name}.js"):
                self.env.note_dependency(str(path))
            root = "../" * self.env.docname.count("/")
            made = markup(figure, still, root=root, language=language)
            return [nodes.raw("", made, format="html")]

    app.add_directive("touch", TouchDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
