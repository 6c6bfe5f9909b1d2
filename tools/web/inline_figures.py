"""A small Sphinx extension: drawn figures become part of the page, so that they follow light and dark.

An SVG that a page only names as a picture knows nothing of the page's colours; one that stands in the page
takes them from its style sheet (``site/static/figures.css``). Photographs inside it become files of their
own, which a browser fetches when it has shown the text, and which no style sheet touches.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

PHOTOGRAPH = re.compile(r'href="data:image/png;base64,([^"]+)"')


def own_names(svg: str, number: int) -> str:
    """The same drawing with names that no other figure of the page has.

    Args:
        svg: the drawing.
        number: of the figure on its page.
    """
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>f{number}-", svg)


def with_words(svg: str, alt: str) -> str:
    """The same drawing, said in the words of its author.

    Args:
        svg: the drawing; ``aria-label`` is the last of what its first element says about itself in words.
        alt: what stands for it where it is not seen; empty leaves it as it is.
    """
    says = f'aria-label="{escape(alt, quote=True)}"'
    return re.sub(r"""\baria-label=("[^"]*"|'[^']*')""", lambda _: says, svg, count=1) if alt else svg


class IntoThePage(SphinxPostTransform):
    """Puts each SVG that a notebook has stored into its page; runs after the kind of output is chosen."""

    default_priority = 5
    builders = ("html",)

    def run(self, **kwargs: object) -> None:
        """Replace the pictures of one page."""
        found = [image for image in self.document.findall(nodes.image) if image["uri"].endswith(".svg")]
        for number, image in enumerate(found, start=1):
            path = Path(self.env.srcdir) / image["uri"].lstrip("/")
            svg = with_words(own_names(path.read_text(encoding="utf-8"), number), image.get("alt", ""))
            svg = PHOTOGRAPH.sub(lambda data: f'href="{self._file(data[1])}"', svg)
            image.replace_self(nodes.raw("", svg.replace("<svg ", '<svg class="figure" ', 1), format="html"))

    def _file(self, data: str) -> str:
        """Write a photograph beside the other pictures of the site; its address, as seen from the page."""
        content = base64.b64decode(data)
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.png"
        folder = Path(self.app.outdir) / "_images"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        return "../" * self.env.docname.count("/") + f"_images/{name}"


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.add_post_transform(IntoThePage)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
