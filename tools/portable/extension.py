"""A small Sphinx extension: writes the portable notebooks, and puts the run buttons on the pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from markdown_it.renderer import RendererHTML
from myst_parser.parsers.mdit import create_md_parser
from sphinx.application import Sphinx
from sphinx.util import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools import address, interface, project, references
from tools.portable import buttons, cells, leftovers, names, prose, translated

LOGGER = logging.getLogger(__name__)
BOOK = "book/"  # where the pages lie that are notebooks
HOW_TO = "book/reproducing"  # the page that tells how to open a notebook at home
HOW_TO_PLACE = "#one-notebook-in-your-own-jupyterlab"


def pages(app: Sphinx) -> list[str]:
    """The pages that are notebooks."""
    return sorted(page for page in app.env.found_docs if app.env.doc2path(page).endswith(".ipynb"))


def name(page: str) -> str:
    """Name of a page's notebook: ``01_background/losses``."""
    return page.removeprefix(BOOK)


def write(app: Sphinx, failed: Exception | None) -> None:
    """Write every portable notebook; one that cannot be made is a warning, and so an error of the build."""
    if failed is not None or app.builder.name != "html":
        return
    parser = create_md_parser(app.env.myst_config, RendererHTML)
    website = names.Website(app, app.config.portable_website)
    known = interface.catalogue(app.config.language, "book")
    translator = translated.Translator(parser, known) if known else None
    papers = {}
    for file in app.config.bibtex_bibfiles:
        papers |= references.entries(Path(app.srcdir, file))
    for page in pages(app):
        notebook = nbformat.read(app.env.doc2path(page), as_version=4)
        try:
            if translator is not None:
                notebook = translated.translated(notebook, translator)
            writer = prose.Writer(parser, website, page, website.say)
            made = cells.portable(notebook, writer, website=website.page(page), papers=papers)
        except prose.Unsupported as error:
            LOGGER.warning("no portable notebook: %s", error, location=page)
            continue
        for left in leftovers.of_notebook(made):
            LOGGER.warning("MyST is left in the portable notebook: %s", left, location=page)
        path = Path(app.outdir, buttons.FOLDER, f"{name(page)}.ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(made, version=4) + "\n", encoding="utf-8")
    for text in translator.missing if translator else []:
        LOGGER.warning("not translated in a notebook: %r", text[:100])


def show(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Put the run buttons on a page that is a notebook, and let its download button give the portable one."""
    if page not in app.env.found_docs or page not in pages(app):
        return
    to = context["pathto"]
    download = to(f"{buttons.FOLDER}/{name(page)}.ipynb", 1)
    repository = app.config.portable_repository
    say = interface.words(app.config.language)
    run = buttons.hosts(address.slug(repository), name(page), app.config.language) if repository else []
    how = say("How to run this page on your own machine")
    home = buttons.Button("JupyterLab", to(HOW_TO) + HOW_TO_PLACE, how)
    run.insert(len(run) - 1 if run else 0, home)
    group = {
        "type": "group",
        "icon": "fas fa-rocket",
        "tooltip": say("Run this page"),
        "label": "launch-buttons",
        "buttons": [{"type": "link", "text": b.text, "url": b.url, "tooltip": b.tooltip} for b in run],
    }
    context["header_buttons"].insert(0, group)
    for given in context["header_buttons"]:
        for button in given.get("buttons", []):
            if button.get("label") == "download-source-button":
                button |= {"url": download, "tooltip": say("Download this page as a notebook for any host")}


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    published = project.is_published()
    app.add_config_value("portable_repository", project.address() if published else "", "html")
    app.add_config_value("portable_website", project.site_address() if published else "", "html")
    app.connect("build-finished", write)
    app.connect("html-page-context", show, priority=600)  # after the theme has listed its own buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}
