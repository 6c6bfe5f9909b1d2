"""A small Sphinx extension: a page of questions for each chapter, and for every answer what to say to it.

The questions are in ``text/self_test/``, a YAML file for each chapter. On the page an answer is something to
open, and its feedback lies in it: plain HTML, which needs no script and which a screen reader announces as it
announces any fold.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools import interface, project
from tools.web import translated

FOLDER = project.TEXT / "self_test"
QUESTION, ANSWER = {"title", "ask", "answers", "see"}, {"say", "because"}
FEWEST_ANSWERS = 3


@dataclass(frozen=True)
class Answer:
    """An answer to choose: what it says, what there is to say to it, and whether it is the right one."""

    say: str
    because: str
    is_right: bool


@dataclass(frozen=True)
class Question:
    """A question: its title, the question itself, the answers in their order, and where it is explained."""

    title: str
    ask: str
    answers: tuple[Answer, ...]
    see: str


def load(path: Path) -> list[Question]:
    """The questions of a file.

    Raises:
        ValueError: if a question lacks something, has something more, or has not exactly one right answer.
    """
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"{path.name}: a list of questions is wanted, got {type(rows).__name__}")
    return [_question(row, f"{path.name}, question {number}") for number, row in enumerate(rows, start=1)]


def _question(row: dict[str, Any], where: str) -> Question:
    if not isinstance(row, dict) or set(row) != QUESTION:
        raise ValueError(f"{where}: {', '.join(sorted(QUESTION))} are wanted, got {row}")
    answers = row["answers"]
    if not isinstance(answers, list) or len(answers) < FEWEST_ANSWERS:
        raise ValueError(f"{where}: {FEWEST_ANSWERS} answers or more are wanted, got {answers}")
    for answer in answers:
        if not ANSWER <= set(answer) <= {*ANSWER, "right"} or answer.get("right", True) is not True:
            raise ValueError(f"{where}: an answer has say, because and perhaps `right: true`, got {answer}")
    given = tuple(Answer(one["say"].strip(), one["because"].strip(), "right" in one) for one in answers)
    if sum(answer.is_right for answer in given) != 1:
        raise ValueError(f"{where}: exactly one answer must be right, got {sum(a.is_right for a in given)}")
    return Question(row["title"].strip(), row["ask"].strip(), given, row["see"].strip())


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    def raw(text: str) -> nodes.raw:
        return nodes.raw("", text, format="html")

    class SelfTest(SphinxDirective):
        """``{self-test} NAME``: all questions of a chapter."""

        required_arguments = 1

        def run(self) -> list[nodes.Node]:
            path = FOLDER / f"{self.arguments[0]}.yml"
            self.env.note_dependency(str(path))
            sections = [self.section(number, question) for number, question in enumerate(load(path), start=1)]
            look = f'<link rel="stylesheet" href="{"../" * self.env.docname.count("/")}live/self_test.css">'
            advice = self.say(
                "Settle on an answer before you open it. "
                "Each says what speaks for it and what against, so the others are worth opening too. "
                "Nothing is counted, and nothing leaves this page."
            )
            return [raw(look), nodes.paragraph("", advice), *sections]

        def say(self, text: str, **values: object) -> str:
            """In the language of the page."""
            return interface.words(self.env.config.language)(text, **values)

        def parsed(self, text: str) -> list[nodes.Node]:
            """Markdown as nodes."""
            parent = nodes.container()
            self.state.nested_parse(text.splitlines(), self.content_offset, parent)
            return parent.children

        def section(self, number: int, question: Question) -> nodes.section:
            """One question with a heading of its own, so that the page's contents lead to it."""
            name = f"question-{number}"
            section = nodes.section(ids=[name], names=[name])
            section += nodes.title("", question.title)
            section += self.parsed(question.ask)
            label = self.say("Answers to question {number}", number=number)
            section += raw(f'<div class="self-test" role="group" aria-label="{html.escape(label)}">')
            for letter, answer in zip("abcdefgh", question.answers, strict=False):
                section += raw(f'<details><summary><span class="self-test-letter">{letter}</span> ')
                (said,) = self.parsed(answer.say)
                said["classes"] += [translated.SELF_TEST]
                section += said
                right, wrong = self.say("Right."), self.say("Not this one.")
                kind, verdict = ("right", right) if answer.is_right else ("wrong", wrong)
                section += raw(
                    f'</summary><div class="self-test-{kind}"><p class="self-test-verdict">'
                    f"{html.escape(verdict)}</p>"
                )
                section += self.parsed(answer.because)
                section += raw("</div></details>")
            section += raw("</div>")
            section += self.parsed(f"Explained in {question.see}.")
            return section

    app.add_directive("self-test", SelfTest)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
