"""Figures to touch and self-tests in a browser: by keyboard, without scripts or a server, on a telephone."""

from __future__ import annotations

import in_browser
import pytest

from tools import project
from tools.web import self_test, touch

FIGURES = sorted(touch.figures())
TESTS = [page for page in project.toc_pages() if page.endswith("/self_test")]
STATE = (
    """(figure) => [figure.querySelector("svg").outerHTML, figure.querySelector(".touch-says").textContent]"""
)


@pytest.mark.parametrize("name", FIGURES)
def test_a_slider_is_moved_by_keyboard_and_shows_what_the_script_says(browser, files, name):
    figure = touch.figures()[name]
    with in_browser.visit(browser, files, f"book/touch/{name}.html", width=in_browser.PHONE) as seen:
        shown = seen.page.locator("figure.touch")
        state = dict(figure.start)
        for slider in figure.sliders:
            field = shown.get_by_label(slider.label, exact=True)
            field.focus()
            seen.page.keyboard.press("ArrowRight" if slider.start < slider.high else "ArrowLeft")
            state[slider.name] = float(field.input_value())
            assert state[slider.name] != slider.start
            (expected,) = touch.ask(figure, shown=[state])["shown"]
            said, value = (
                shown.evaluate(STATE)[1],
                field.evaluate("(one) => one.nextElementSibling.textContent"),
            )
            assert [said, value] == [expected["says"], expected["values"][slider.name]]
            assert field.get_attribute("aria-valuetext") == value
        assert seen.heard == []


@pytest.mark.parametrize("name", FIGURES)
def test_without_scripts_the_first_state_stands_there(browser, files, name):
    (still,) = touch.ask(touch.figures()[name], shown=[touch.figures()[name].start])["shown"]
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{files}/book/touch/{name}.html")
    assert page.locator("figure.touch svg").is_visible()
    assert page.locator(".touch-says").text_content() == still["says"]
    assert not page.locator(".touch-sliders").is_visible()
    assert page.locator(".touch-without").is_visible()
    page.context.close()


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_jumps_when_the_script_starts_or_a_slider_moves(browser, files, name):
    with in_browser.visit(browser, files, f"book/touch/{name}.html", width=in_browser.PHONE) as seen:
        below = seen.page.locator("figure.touch ~ p, figure.touch ~ section").first
        height = "(one) => one.getBoundingClientRect().top + scrollY"
        before = below.evaluate(height)
        for slider in touch.figures()[name].sliders:
            seen.page.get_by_label(slider.label, exact=True).press("End")
            assert below.evaluate(height) == pytest.approx(before, abs=1), slider.name


def test_the_place_of_the_output_ends_where_the_output_ends(browser, files):
    with in_browser.visit(browser, files, "book/touch/convolution.html") as seen:
        place = seen.page.get_by_label("Place of the output", exact=True)
        place.press("End")
        assert place.input_value() == "25"
        seen.page.get_by_label("Stride", exact=True).press("ArrowRight")
        assert place.get_attribute("max") == "9"
        assert place.input_value() == "9"


@pytest.mark.parametrize("name", TESTS)
def test_every_answer_opens_by_keyboard_without_scripts(browser, files, name):
    questions = self_test.load(self_test.FOLDER / f"{name.split('/')[1]}.yml")
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{files}/{name}.html")
    groups = page.get_by_role("group").filter(has=page.locator("summary .self-test-letter"))
    assert page.locator(".self-test").count() == len(questions)
    assert groups.count() >= len(questions)
    for number, question in enumerate(questions):
        answers = page.locator(".self-test").nth(number).locator("details")
        assert answers.count() == len(question.answers)
        for place, answer in enumerate(question.answers):
            verdict = answers.nth(place).locator(".self-test-verdict")
            assert not verdict.is_visible(), "nothing is given away"
            answers.nth(place).locator("summary").press("Enter")
            assert verdict.is_visible()
            assert verdict.inner_text() == ("Right." if answer.is_right else "Not this one.")
    page.context.close()
