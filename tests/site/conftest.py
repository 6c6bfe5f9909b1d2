"""A browser, and the built site in it; without either, these tests are skipped, and say so."""

from __future__ import annotations

import in_browser
import pytest

from tools import pdf

LOUD = "THE SITE IS NOT TESTED IN A BROWSER: "
LACKS = {"browser": in_browser.no_browser, "site": in_browser.no_site, "files": in_browser.no_site}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a browser or the site where they are not, unless they are required."""
    if in_browser.is_required():
        return
    reasons = {fixture: lack for fixture, ask in LACKS.items() if (lack := ask())}
    for item in items:
        for fixture in reasons.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.skip(reason=LOUD + reasons[fixture]))


def insist(lack: str) -> None:
    """Fail where something is required that is not there."""
    if lack:
        pytest.fail(f"{in_browser.REQUIRED}=required, but {lack}")


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, with a fresh profile."""
    insist(in_browser.no_browser())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=pdf.browser_path(), args=in_browser.FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def site():
    """Address of a static server of the built site."""
    insist(in_browser.no_site())
    with in_browser.served(in_browser.HTML) as address:
        yield address


@pytest.fixture(scope="session")
def files():
    """Address of the built site without a server."""
    insist(in_browser.no_site())
    return in_browser.HTML.as_uri()
