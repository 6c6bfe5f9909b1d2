"""What the website calls a thing, asked of Sphinx itself after it has read all pages.

Titles, numbers and citations therefore are those of the website, whatever extension makes them.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.nodes import split_explicit_title

from tools import interface
from tools.portable.prose import Unsupported

ROLES = {  # as a text writes it -> the domain, its name there
    "doc": ("std", "doc"),
    "ref": ("std", "ref"),
    "numref": ("std", "numref"),
    "term": ("std", "term"),
    "eq": ("math", "eq"),
    "prf:ref": ("prf", "ref"),
    "cite": ("cite", "p"),
    "cite:p": ("cite", "p"),
    "cite:t": ("cite", "t"),
}
TITLES = {"doc", "ref"}  # what they show is a title, which needs a mark where it has no link
LOWER = {"ref", "numref"}  # Sphinx keeps the labels of these in lower case
SPECIAL = re.compile(r"([\\`*_\[\]<>|$])")


class Website:
    """Answers from a build of the website.

    Args:
        app: Sphinx, when all pages have been read.
        base: address of the published website, with a slash at its end; without one there are no links to it.
    """

    def __init__(self, app: Sphinx, base: str = "") -> None:
        self.env, self.builder, self.base = app.env, app.builder, base
        self.say = interface.words(app.config.language)

    def page(self, page: str) -> str:
        """Address of a page, or nothing while the website has none."""
        return self.base + self.builder.get_target_uri(page) if self.base else ""

    def role(self, name: str, content: str, page: str) -> str:
        """A role as Markdown: the words of the website, with a link where there is an address.

        Raises:
            Unsupported: if the role is not known here, or leads nowhere.
        """
        shown = self._markdown(self._resolved(name, content, page), page)
        if "](" in shown:
            # Around a link brackets need no backslash, and with one some hosts take them for a formula.
            return shown.replace("\\[", "[").replace("\\]", "]") if name.startswith("cite") else shown
        return f"*{shown}*" if name in TITLES and not split_explicit_title(content)[0] else shown

    def number(self, kind: str, label: str, page: str) -> str:
        """Kind and number of an exercise, a statement or a figure: ``Exercise 2.1``.

        Raises:
            Unsupported: if the page has none of that kind with this label.
        """
        number = self.env.toc_fignumbers.get(page, {}).get(kind, {}).get(label)
        if number is None:
            raise Unsupported(f"{page} has no {kind} with the label {label!r} that has a number")
        shown = ".".join(map(str, number))
        if kind == "figure":
            return self.env.config.numfig_format["figure"] % shown
        return kinds(self.say).get(kind, f"{kind.capitalize()} {{number}}").format(number=shown)

    def equation(self, label: str, page: str) -> str:
        """Number of an equation as it stands beside it, without brackets.

        Raises:
            Unsupported: if no equation has this label.
        """
        return self._resolved("eq", label, page).astext().strip("()")

    def _resolved(self, name: str, content: str, page: str) -> nodes.Node:
        """What the website shows for a role, as a tree of docutils."""
        if name not in ROLES:
            raise Unsupported(f"the role {{{name}}} has no Markdown; give it some in tools/portable/names.py")
        domain, kind = ROLES[name]
        if domain == "cite":
            explicit, title, target = False, content, content
        else:
            explicit, title, target = split_explicit_title(content)
        target = target.lower() if kind in LOWER else target
        if name == "ref" and not explicit and target in getattr(self.env, "sphinx_exercise_registry", {}):
            kind = "numref"  # as sphinx-exercise does
        node = addnodes.pending_xref(
            "", refdomain=domain, reftype=kind, reftarget=target, refexplicit=explicit, refdoc=page
        )
        node += nodes.inline("", title)
        found = self.env.get_domain(domain).resolve_xref(
            self.env, page, self.builder, kind, target, node, node[0].deepcopy()
        )
        if found is None:
            raise Unsupported(f"{{{name}}}`{content}` leads nowhere")
        return found

    def _markdown(self, node: nodes.Node, page: str) -> str:
        """A resolved reference as Markdown."""
        if isinstance(node, nodes.Text):
            return SPECIAL.sub(r"\\\1", node.astext())
        inner = "".join(self._markdown(child, page) for child in node.children)
        if isinstance(node, nodes.reference) and (url := self._url(node, page)):
            return f"[{inner}]({url})"
        return inner

    def _url(self, reference: nodes.reference, page: str) -> str:
        """Where a link leads: a citation to the paper, anything else to the website."""
        target = reference.get("refuri") or f"#{reference['refid']}"
        anchor = target.partition("#")[2]
        for citation in self.env.get_domain("cite").citations if "cite" in self.env.domains else ():
            if citation.citation_id == anchor:
                return paper(citation.entry.fields)
        return urljoin(self.page(page), target) if self.base else ""


def kinds(say: interface.Say) -> dict[str, str]:
    """What is counted -> how its number is said."""
    return {
        "exercise": say("Exercise {number}"),
        "theorem": say("Theorem {number}"),
        "lemma": say("Lemma {number}"),
        "proposition": say("Proposition {number}"),
        "corollary": say("Corollary {number}"),
        "definition": say("Definition {number}"),
    }


def paper(fields: dict[str, str]) -> str:
    """Where a paper is to be found: its address, its DOI or its number at arXiv; nothing if it has none."""
    if url := fields.get("url"):
        return url
    if doi := fields.get("doi"):
        return f"https://doi.org/{doi}"
    number = re.search(r"arXiv:(\d[\d.]*\d)", f"{fields.get('note', '')} {fields.get('journal', '')}")
    return f"https://arxiv.org/abs/{number[1]}" if number else ""
