"""The self-tests: enough questions, one right answer each, something to say to every answer, no give-away."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import yaml

from tools import project
from tools.web import self_test

FILES = sorted(self_test.FOLDER.glob("*.yml"))
CHAPTERS = [name for name in project.chapters() if re.fullmatch(r"\d\d_\w+", name)]
QUESTIONS = [(path.stem, question) for path in FILES for question in self_test.load(path)]
EACH = pytest.mark.parametrize(
    ("name", "question"), QUESTIONS, ids=[f"{name[:2]} {question.title}" for name, question in QUESTIONS]
)
FEWEST_QUESTIONS = 5
FEWEST_WORDS = 8  # of feedback: less teaches nothing
MOST_GIVEN_AWAY = 0.4  # of the questions may be answered by taking the longest answer, or the shortest


def test_every_chapter_has_its_questions_and_its_page():
    assert [path.stem for path in FILES] == CHAPTERS
    for name in CHAPTERS:
        page = (project.BOOK / name / "self_test.md").read_text(encoding="utf-8")
        assert f"```{{self-test}} {name}\n" in page
        assert f"book/{name}/self_test" in project.toc_pages()
        assert f"{{doc}}`{name}/self_test`" in (project.TEXT / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_five_questions_or_more(name):
    assert len([question for chapter, question in QUESTIONS if chapter == name]) >= FEWEST_QUESTIONS


@EACH
def test_every_answer_is_told_why(name, question):
    for answer in question.answers:
        assert len(answer.because.split()) >= FEWEST_WORDS, answer.say
    assert len({answer.say for answer in question.answers}) == len(question.answers)


@EACH
def test_links_of_a_question_resolve(name, question):
    texts = [question.ask, question.see, *(answer.because for answer in question.answers)]
    everything = "\n".join(path.read_text(encoding="utf-8") for path in project.TEXT.rglob("*.md"))
    roles = re.findall(r"\{([\w:]+)\}`(?:[^`<]*<)?([^`>]+)>?`", "\n".join(texts))
    assert roles, "a question says where it is explained"
    for role, target in roles:
        if role == "doc":
            assert target.removeprefix("/") in project.toc_pages(), target
        else:
            assert role in ("ref", "prf:ref", "eq")
            label = rf"\$\$ \({target}\)" if role == "eq" else rf"(?:\({target}\)=|:label: {target})"
            assert re.search(rf"^{label}$", everything, re.M), target
    sections = re.findall(r'"([^"]+)"', question.see)
    pages = re.findall(r"\{doc\}`/book/([^`]+)`", question.see)
    told = "\n".join(
        (project.TEXT / f"{page}.md").read_text("utf-8") for page in pages if "touch/" not in page
    )
    for section in sections:
        assert re.search(rf"^#+ .*{re.escape(section)}$|Spot the bug: {re.escape(section)}$", told, re.M), (
            section
        )


def test_the_right_answer_stands_in_every_place():
    places = Counter(
        [answer.is_right for answer in question.answers].index(True) for _, question in QUESTIONS
    )
    for place in range(4):
        assert places[place] >= len(QUESTIONS) / 8, "half of what an even spread would give"
    for name in CHAPTERS:
        own = [question for chapter, question in QUESTIONS if chapter == name]
        assert len({[a.is_right for a in question.answers].index(True) for question in own}) >= 3, name


@pytest.mark.parametrize("extreme", [max, min], ids=["longest", "shortest"])
def test_the_right_answer_is_not_known_by_its_length(extreme):
    given_away = 0
    for _, question in QUESTIONS:
        lengths = [len(answer.say) for answer in question.answers]
        right = lengths[[answer.is_right for answer in question.answers].index(True)]
        given_away += right == extreme(lengths) and lengths.count(right) == 1
    assert given_away <= MOST_GIVEN_AWAY * len(QUESTIONS)


GOOD = {
    "title": "A title",
    "ask": "What?",
    "see": "{doc}`/book/01_background`",
    "answers": [
        {"say": "this", "because": "so", "right": True},
        {"say": "that", "because": "not so"},
        {"say": "neither", "because": "not so"},
    ],
}
TWO_RIGHT = [*GOOD["answers"][:2], {"say": "both", "because": "so", "right": True}]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answers": GOOD["answers"][1:] * 2}, "exactly one answer must be right, got 0"),
        ({"answers": TWO_RIGHT}, "exactly one answer must be right, got 2"),
        ({"answers": GOOD["answers"][:2]}, "3 answers or more"),
        ({"answers": [*GOOD["answers"][:2], {"say": "no reason"}]}, "an answer has say, because"),
        ({"answers": [*GOOD["answers"][:2], {"say": "a", "because": "b", "right": False}]}, "an answer has"),
        ({"hint": "more"}, "question 1: answers, ask, see, title are wanted"),
    ],
)
def test_a_question_that_is_none_is_refused(tmp_path, change, said):
    path = tmp_path / "01_x.yml"
    path.write_text(yaml.safe_dump([GOOD]), encoding="utf-8")
    assert len(self_test.load(path)) == 1
    path.write_text(yaml.safe_dump([GOOD | change]), encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        self_test.load(path)
