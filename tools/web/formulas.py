"""A small Sphinx extension: formulas are rendered while the site is built, by KaTeX, and need no script.

Each formula becomes HTML for the eye and MathML for screen readers. What KaTeX cannot read is a warning with
page and text, and so fails a strict build.
"""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from tools.web import vendor

NAME = "book"  # of this renderer, for `html_math_renderer`
STYLE = "../vendor/katex/katex.min.css"  # seen from _static
SCRIPT = Path(__file__).with_suffix(".cjs")
# Nearly every formula has letters of both. Asked for at once, they are there when the page is first laid out;
# asked for by the style sheet, they come later, and every formula is laid out again. Browsers refuse to do so
# for a page that comes from a file, and tell the console.
FONTS = ("KaTeX_Main-Regular", "KaTeX_Math-Italic")
EARLY = """<script>
if (location.protocol !== "file:")
  for (const href of {files})
    document.head.append(Object.assign(document.createElement("link"),
      {{ rel: "preload", as: "font", type: "font/woff2", crossOrigin: "", href }}));
</script>
"""
# The signs of a rendered formula: their classes decide the font.
SIGN = re.compile(
    r'<span class="((?:m(?:ord|op|rel|bin|open|close|punct|inner)|delimsizing)\b[^"]*)"[^>]*>([^<]+)</span>'
)
NUMBERED = re.compile(r"\\(begin|end)\{(equation|align|gather|alignat)\}")
logger = logging.getLogger(__name__)


class Renderer:
    """KaTeX in a process of node's that waits for formulas; started with the first one."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def ask(self, tex: str, display: bool) -> dict[str, str]:
        """What KaTeX answers: ``html``, or ``error`` with the reason."""
        if self.process is None:
            katex = vendor.named("katex", "build") / "katex.min.js"
            self.process = subprocess.Popen(
                [*vendor.node(), str(SCRIPT), str(katex)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        """Let node go."""
        if self.process is not None:
            self.process.communicate()
        self.process = None


RENDERER = Renderer()


@cache
def render(tex: str, display: bool) -> str:
    """HTML with MathML of one formula; many stand in the book several times.

    Raises:
        ValueError: if KaTeX cannot read it, with its reason.
    """
    answer = RENDERER.ask(tex, display)
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["html"]


def whole(text: str) -> str:
    """A displayed formula in one piece: blank lines and ``\\\\`` part its lines, as in Sphinx."""
    parts = [part for part in text.split("\n\n") if part.strip()]
    parts = [rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part for part in parts]
    if len(parts) == 1:
        return parts[0]
    return r"\begin{aligned}" + r"\\".join(parts) + r"\end{aligned}"


def rendered(translator: HTML5Translator, node: nodes.Node, tex: str, *, display: bool) -> str:
    """HTML of a formula; where that fails, a warning, and the text as it stands."""
    try:
        return render(tex, display)
    except ValueError as error:
        logger.warning("this formula cannot be rendered: %s\n%s", error, tex.strip(), location=node)
        return translator.encode(tex)


def visit_math(translator: HTML5Translator, node: nodes.math) -> None:
    """A formula within a line."""
    translator.body.append(translator.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    translator.body.append(rendered(translator, node, node.astext(), display=False) + "</span>")
    raise nodes.SkipNode


def visit_math_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """A formula in lines of its own, with its number where it has one."""
    text = node.astext()
    # What brings its own environment has the page's number as well, so KaTeX must not count once more.
    tex = NUMBERED.sub(r"\\\1{\2*}", text) if node["nowrap"] else whole(text)
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(rendered(translator, node, tex, display=True) + "</div>\n")
    raise nodes.SkipNode


def one_of_each(body: str) -> str:
    """A sign of each kind that the formulas of a page have; nobody sees them.

    A browser loads a font when it lays out a sign of it. Formulas far below the screen are not laid out
    before a reader comes near, and a page that is printed before that would lack their signs.
    """
    found = dict(reversed(SIGN.findall(body)))
    signs = "".join(f'<span class="{kind}">{sign}</span>' for kind, sign in sorted(found.items()))
    return f'<span class="katex signs" aria-hidden="true">{signs}</span>'


def add_style(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Let a page that has formulas load KaTeX's style and fonts, and no other page."""
    if doctree is not None and next(iter(doctree.findall(is_formula)), None) is not None:
        app.add_css_file(STYLE)
        files = [context["pathto"](f"vendor/katex/fonts/{name}.woff2", 1) for name in FONTS]
        context["metatags"] += EARLY.format(files=json.dumps(files))
        context["body"] += one_of_each(context["body"])


def is_formula(node: nodes.Node) -> bool:
    """Whether a node is a formula of either kind."""
    return isinstance(node, nodes.math | nodes.math_block)


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.add_html_math_renderer(NAME, (visit_math, None), (visit_math_block, None))
    app.connect("html-page-context", add_style)
    app.connect("build-finished", lambda app, exception: RENDERER.end())
    return {"parallel_read_safe": True, "parallel_write_safe": False}
