"""What Jupyter Book is told: ``_config.yml``, and what depends on its language and its address."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tools import interface, project

WORDS = "words.js"  # what the other scripts say
NOT_TO_BE_FOUND = ["404.html", "search.html", "genindex.html", "*-modindex.html", "prf-prf.html"]


def configuration(root: Path = project.ROOT, language: str = interface.ENGLISH) -> dict:
    """``_config.yml`` with the files of ``site/static``, which every page loads, words before scripts.

    The pages name their own address once that of the repository is set; until then they have no buttons that
    lead to it. The buttons that run a page come from ``tools.portable``.
    """
    say = interface.words(language)
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    local = config.get("sphinx", {}).get("local_extensions", {})
    for name, path in local.items():  # the settings are read from another folder
        local[name] = str((root / path).resolve())
    static = sorted(path.name for path in (root / "site" / "static").glob("*.*"))
    config["sphinx"]["config"]["html_css_files"] = [name for name in static if name.endswith(".css")]
    scripts = sorted((name for name in static if name.endswith(".js")), key=lambda name: name != WORDS)
    config["sphinx"]["config"]["html_js_files"] = [[name, {"defer": "defer"}] for name in scripts]
    sphinx = config["sphinx"]["config"] | {"language": language}
    sphinx["locale_dirs"] = [str(root / folder) for folder in sphinx["locale_dirs"]]
    alt, title, author = sphinx["ogp_image_alt"], config["title"], config["author"]
    sphinx |= {"ogp_image_alt": say(alt), "ogp_site_name": say(title)}
    sphinx["notfound_context"] = {key: say(text) for key, text in sphinx["notfound_context"].items()}
    config |= {"title": say(title), "author": say(author)}
    config["sphinx"]["config"] = sphinx
    if project.is_published(root):
        site = project.site_address(root) + (f"/{interface.FOLDER}" if language != interface.ENGLISH else "")
        config["html"]["baseurl"] = site  # for the one true address that each page names
        config["sphinx"]["config"]["extensions"].append("sphinx_sitemap")
        config["sphinx"]["config"] |= {
            "ogp_site_url": site,
            "notfound_urls_prefix": urlsplit(site).path,
            "sitemap_url_scheme": "{link}",
            "sitemap_excludes": NOT_TO_BE_FOUND,
        }
    else:
        config["sphinx"]["config"]["notfound_urls_prefix"] = "/"
        config["html"] |= {"use_repository_button": False, "use_issues_button": False}
    return config
