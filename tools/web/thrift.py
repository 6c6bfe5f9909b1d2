"""A small Sphinx extension that leaves out work that changes nothing: the pages are the same to the byte."""

from __future__ import annotations

from functools import cache
from typing import Any

import pybtex.plugin
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.environment.adapters.toctree import global_toctree_for_doc

PLUGINS = (("pybtex.backends", "plaintext"), ("pybtex.backends", "docutils"))  # of the citations


class TitlesOnly:
    """The environment, as the list of all pages needs it: a page has its title and its rooms, no sections.

    Sphinx copies the sections of all pages for each page, and throws them away.
    """

    def __init__(self, env: BuildEnvironment) -> None:
        self._env = env
        self.tocs = {name: without_sections(toc) for name, toc in env.tocs.items()}

    def __getattr__(self, name: str) -> Any:
        """Whatever else is asked of the environment."""
        return getattr(self._env, name)


def without_sections(toc: nodes.bullet_list) -> nodes.bullet_list:
    """A page's table of contents with its titles and the lists of its rooms alone."""
    toc = toc.deepcopy()
    for entry in toc.children:
        if len(entry) > 1:
            if rooms := list(entry.findall(addnodes.toctree)):
                entry[1][:] = rooms
            else:
                entry.pop(1)
    return toc


def find_plugins_once(app: Sphinx) -> None:
    """Name to Pybtex the plugins that each citation asks for: it looks through all packages each time."""
    for group, name in PLUGINS:
        pybtex.plugin.register_plugin(group, name, pybtex.plugin.find_plugin(group, name), force=True)


def leave_search_alone(app: Sphinx, env: BuildEnvironment) -> None:
    """Let Sphinx make no index of words: the search page has its own (tools/web/search_index.py)."""
    for page in env.found_docs:
        env.metadata[page]["nosearch"] = True


@cache
def titles_only(env: BuildEnvironment) -> TitlesOnly:
    """The same for all pages; to be called when all have been read."""
    return TitlesOnly(env)


def list_pages(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Make the list of all pages that stands at the left of one from their titles."""

    everything = context["toctree"]

    def toctree(**options: Any) -> str:
        if not options.get("titles_only"):
            return everything(**options)
        options = {"collapse": True, "includehidden": False, **options}  # as Sphinx takes them
        found = global_toctree_for_doc(titles_only(app.env), page, app.builder, **options)
        return app.builder.render_partial(found)["fragment"]

    context["toctree"] = toctree


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("builder-inited", find_plugins_once)
    app.connect("env-updated", leave_search_alone)
    app.connect("html-page-context", list_pages, priority=100)  # before the theme takes the list
    return {"parallel_read_safe": True, "parallel_write_safe": True}
