"""What a page of the website says of itself to search engines, and to places where a link to it is shown."""

from __future__ import annotations

import shutil

import pytest
from docutils import nodes
from PIL import Image

from tools import project
from tools.web import card, page_facts, settings

STATIC = project.ROOT / "site" / "static"


def configured(tmp_path, address):
    """The settings of the website in a copy of the project with this address."""
    for name in ("_config.yml", "pyproject.toml"):
        shutil.copy(project.ROOT / name, tmp_path / name)
    path = tmp_path / "pyproject.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(project.address(), address), encoding="utf-8")
    return settings.configuration(tmp_path)


def size(path):
    """Width and height of a picture."""
    with Image.open(path) as picture:
        return picture.size


def page(*children):
    """A page with a title and these parts."""
    document = nodes.section("", nodes.title("", "Title"), *children)
    root = nodes.Element()
    root += document
    return root


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("https://github.com/Somebody/My-ResNets", "https://somebody.github.io/My-ResNets/"),
        ("https://github.com/somebody/somebody.github.io", "https://somebody.github.io/"),
    ],
)
def test_the_address_of_the_site_follows_from_that_of_the_repository(tmp_path, address, site):
    config = configured(tmp_path, address)
    sphinx = config["sphinx"]["config"]
    assert config["html"]["baseurl"] == sphinx["ogp_site_url"] == site
    assert site.endswith(".io" + sphinx["notfound_urls_prefix"])
    assert "sphinx_sitemap" in sphinx["extensions"]


def test_without_an_address_no_page_names_one(tmp_path):
    config = configured(tmp_path, f"https://github.com/{project.NO_OWNER}/resnet-from-zero")
    assert "baseurl" not in config["html"]
    assert "ogp_site_url" not in config["sphinx"]["config"]
    assert "sphinx_sitemap" not in config["sphinx"]["config"]["extensions"]


def test_a_description_is_whole_sentences_without_citations():
    first = nodes.paragraph("", "", nodes.Text("Depth helps "), nodes.inline("", "[He et al., 2016]"))
    first += nodes.Text(".\nIt is cheap? " + "Much more is said here. " * 9)
    said = page_facts.description(page(first))
    assert said.startswith("Depth helps. It is cheap? Much more is said here.")
    assert said.endswith("here.")
    assert len(said) < page_facts.MOST_LETTERS


def test_a_description_is_not_taken_from_a_box_or_a_list():
    box = nodes.admonition("", nodes.paragraph("", "A warning."))
    items = nodes.bullet_list("", nodes.list_item("", nodes.paragraph("", "An item.")))
    assert page_facts.description(page(box, items, nodes.paragraph("", "A sentence."))) == "A sentence."


def test_a_long_first_sentence_is_kept_whole():
    sentence = "A " + "very " * 50 + "long one."
    assert page_facts.description(page(nodes.paragraph("", sentence))) == sentence


def test_the_card_has_the_size_that_the_pages_say():
    tags = " ".join(settings.configuration()["sphinx"]["config"]["ogp_custom_meta_tags"])
    assert f'og:image:width" content="{card.WIDTH}"' in tags
    assert f'og:image:height" content="{card.HEIGHT}"' in tags
    assert size(card.CARD) == (card.WIDTH, card.HEIGHT)
    assert card.CARD.stat().st_size < 100_000


def test_the_card_can_be_drawn_again(tmp_path):
    card.draw(tmp_path / "card.png")
    assert size(tmp_path / "card.png") == (card.WIDTH, card.HEIGHT)


def test_the_icon_is_a_small_drawing_with_a_name():
    icon = (STATIC / "favicon.svg").read_text(encoding="utf-8")
    assert "<title>" in icon
    assert len(icon) < 2000
    assert "script" not in icon
    assert settings.configuration()["html"]["favicon"] == "site/static/favicon.svg"
