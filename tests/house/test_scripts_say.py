"""What scripts say goes through one function, is translated, and reaches the page of its language."""

from __future__ import annotations

import json
import re
import subprocess
import zlib

import pytest
from babel.messages import extract

from tools import interface, project
from tools.translation import catalogue
from tools.web import languages, settings, vendor

WORDS = project.ROOT / "site" / "static" / settings.WORDS
SCRIPTS = sorted(
    path for folder in ("static", "live") for path in (project.ROOT / "site" / folder).glob("*.js")
)
CALL = re.compile(r"(?<!function )(?<![\w.])say\(")
NAME = re.compile(r"\{(\w+)\}")


def said(*calls, known=None, file=WORDS):
    """What ``say`` answers to each list of arguments, where the page has these words."""
    source = (
        "globalThis.BOOK_WORDS = JSON.parse(process.argv[2]) ?? undefined; require(process.argv[1]);"
        "const calls = JSON.parse(process.argv[3]);"
        "process.stdout.write(JSON.stringify(calls.map((given) => say(...given))));"
    )
    command = [*vendor.node(), "-e", source, str(file), json.dumps(known), json.dumps(calls)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


def arguments(source):
    """What stands in the brackets of each call of ``say`` in a script, as it is written."""
    for call in CALL.finditer(source):
        depth, place, quoted = 1, call.end(), False
        while depth:
            if source[place] == '"':
                quoted = not quoted
            depth += 0 if quoted else {"(": 1, ")": -1}.get(source[place], 0)
            place += 1
        yield source[call.end() : place - 1]


def test_without_words_a_script_says_what_is_written_there():
    assert said(["Loading ..."], ["{count} of {all}", {"count": 2, "all": 0}]) == ["Loading ...", "2 of 0"]
    assert said(["Loading ..."], known={"Another": "x"}) == ["Loading ..."]


def test_with_words_it_says_these_with_the_values_in_their_order():
    known = {"{a} before {b}": "{b} / {a} / {b}"}
    assert said(["{a} before {b}", {"a": "one", "b": "two"}], known=known) == ["two / one / two"]


def test_a_name_without_a_value_stays_as_it_stands():
    assert said(["{a} and {b}", {"a": 1}], ["{toString}", {}], ["{a}"]) == ["1 and {b}", "{toString}", "{a}"]


def test_what_a_value_says_is_not_read_again():
    assert said(["{name} is none", {"name": "{path} $& $1", "path": "x"}]) == ["{path} $& $1 is none"]


def test_no_text_finds_what_every_object_of_javascript_has():
    assert said(["constructor"], ["toString"], known={}) == ["constructor", "toString"]


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_every_call_is_gathered_and_given_each_name_of_its_text(path):
    """One within the brackets of another, or within a template, would be gathered by nobody."""
    source = path.read_text(encoding="utf-8")
    with path.open("rb") as file:
        texts = [text for _, text, _, _ in extract.extract("javascript", file, keywords={"say": None})]
    calls = list(arguments(source))
    assert len(texts) == len(calls)
    for text, call in zip(texts, calls, strict=True):
        literals = re.match(r'\s*"[^"]*"(?:\s*\+\s*"[^"]*")*', call)
        given = call[literals.end() :].strip(" \n,")
        names = set(NAME.findall(text))
        assert bool(names) <= bool(given), text
        if not re.fullmatch(r"\w*", given):  # not the name of an object that is made above
            assert names == set(re.findall(r"(\w+)(?=:|,|\s*\}|\s*$)", given)) & names, text


def test_what_scripts_say_is_translated_and_names_the_same_values():
    messages = [
        entry for entry in catalogue.gathered_words() if any(".js" in at for at, _ in entry.locations)
    ]
    known = interface.script_words(interface.CHINESE)
    assert len(messages) > 100
    assert {entry.id for entry in messages} == known.keys()
    for text, translation in known.items():
        assert sorted(set(NAME.findall(text))) == sorted(set(NAME.findall(translation))), text


def test_the_words_are_loaded_before_the_scripts_of_the_book():
    names = [name for name, _ in settings.configuration()["sphinx"]["config"]["html_js_files"]]
    assert names[0] == settings.WORDS
    assert set(names) == {path.name for path in SCRIPTS if path.parent.name == "static"}


@pytest.fixture
def built(tmp_path):
    """A site of one page with the words as Sphinx copies them."""
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / settings.WORDS).write_bytes(WORDS.read_bytes())
    page = '<html lang="en"><head><script src="../_static/words.js?v=0123abcd"></script></head></html>'
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "index.html").write_text(page, encoding="utf-8")
    return tmp_path


def test_the_chinese_site_lends_its_scripts_chinese_words(built):
    languages.finish(built, interface.CHINESE)
    file = built / "_static" / settings.WORDS
    assert said(["Mark as read"], file=file) == ["\u6807\u4e3a\u5df2\u8bfb"]
    assert file.read_text(encoding="utf-8").endswith(WORDS.read_text(encoding="utf-8"))
    assert "\u6807\u4e3a\u5df2\u8bfb" in file.read_text(encoding="utf-8"), (
        "in letters, not in numbers of them"
    )
    assert "Tested with" not in file.read_text(encoding="utf-8"), "no words that no script says"
    checksum = f"{zlib.crc32(file.read_bytes()):08x}"
    page = (built / "book" / "index.html").read_text(encoding="utf-8")
    assert f"words.js?v={checksum}" in page, "a browser that has the file of yesterday asks for this one"


def test_the_english_site_has_the_file_as_it_is(built):
    languages.finish(built, interface.ENGLISH)
    assert (built / "_static" / settings.WORDS).read_bytes() == WORDS.read_bytes()
