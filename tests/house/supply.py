"""What may be in no file of the project. Each rule returns what is wrong, as sentences.

A pickle runs what it says when it is loaded; a secret or a folder of somebody's machine is soon everywhere;
a file that is nobody's may not be handed on; a package without a hash may be any.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

from tools import project

# Opening runs what the file says, and nothing that is handed over makes it safe.
NEVER = re.compile(
    r"(?:pickle|_pickle|cPickle|dill|cloudpickle|joblib|shelve|marshal)\.(?:loads?|open|Unpickler)"
    r"|pandas\.read_pickle|torch\.hub\.load|torch\.package\.PackageImporter"
)
MAY_OPEN = re.compile(
    r"\bloads?\b|[Pp]ickle|shelve|marshal|PackageImporter|load_state_dict_from_url"
)  # most files need no closer look
UNLESS = {  # call: what must be handed over by name, as this constant
    "torch.load": ("weights_only", True),
    "torch.serialization.load": ("weights_only", True),
    "torch.hub.load_state_dict_from_url": ("weights_only", True),
}
NEVER_WITH = {"numpy.load": ("allow_pickle", True), "numpy.lib.npyio.NpzFile": ("allow_pickle", True)}
CELL = re.compile(r"^```\{code-cell\}.*\n(?:---\n[\s\S]*?\n---\n|(?::\S.*\n)*)([\s\S]*?)^```$", re.MULTILINE)

NOBODY = "me|you|user|somebody|runner"  # stand for anybody
PRIVATE = re.compile(
    rf"(?<![\w.])/(?:home|Users|root|work)/(?!(?:{NOBODY})\b)\w+|\b[A-Za-z]:\\+Users\\+(?!(?:{NOBODY})\b)\w+"
)

# Of detect-secrets those that know a secret by its form. The others go by random-looking text, of which a
# book with hashes and pictures has much, or by words such as `password`.
DETECTORS = (
    "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector",
    "GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "NpmDetector", "OpenAIDetector",
    "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector",
    "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
MORE_SECRETS = {  # of services of this field, which it does not know
    "Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}\b"),
    "Kaggle key": re.compile(r'"key"\s*:\s*"[0-9a-f]{32}"'),
    "GitHub token": re.compile(r"\bgithub_pat_\w{60,}\b"),
}
TEMPLATE = re.compile(r"^[{$<]")  # what stands in for a password is none

# Licences under which the website hands a package on; a program that only tests use may have any known one.
MAY_BE_SERVED = {"MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "OFL-1.1", "0BSD", "CC0-1.0"}
IS_TEXT = re.compile(
    r"\.(?!png|jpe?g|gif|webp|svg|ico|pdf|safetensors|onnx|npz?|pt|pth|woff2?|ttf|otf|zip|gz)\w+$"
)


def tracked(root: Path = project.ROOT) -> list[Path]:
    """Every file that belongs to the project; the test that asks is skipped where git does not say."""
    if shutil.which("git") is None or not (root / ".git").exists():
        pytest.skip("git is not here, or this is no checkout, so the files of the project are not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := root / name).is_file()]


# pickles


def code_of(path: Path) -> list[str]:
    """The Python in a file: all of it, or the code cells of a text twin, without IPython's own lines."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return [text]
    cells = CELL.findall(text) if path.suffix == ".md" else []
    return [re.sub(r"^([ \t]*)[%!].*", r"\1pass", cell, flags=re.MULTILINE) for cell in cells]


def full_names(tree: ast.AST) -> dict[str, str]:
    """Name in a module -> what it was imported as: ``import numpy as np`` gives ``np: numpy``."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(a.asname or a.name.partition(".")[0]): a.name if a.asname else a.name.partition(".")[0]
                      for a in node.names}  # fmt: skip
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def dotted(node: ast.AST) -> str:
    """``a.b.c`` for what is written so, nothing for anything else."""
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call in ``source`` with the full name of what is called."""
    tree = ast.parse(source)
    names = full_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = dotted(node.func).partition(".")
            yield names.get(first, first) + dot + rest, node


def opens_pickles(source: str) -> list[str]:
    """Calls that would run what a file says, as sentences."""
    wrong = []
    if not MAY_OPEN.search(source):
        return wrong
    for name, call in calls(source):
        given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
        if NEVER.fullmatch(name):
            wrong.append(f"{name} (line {call.lineno}) runs what the file says")
        elif name in UNLESS and given.get(UNLESS[name][0]) is not UNLESS[name][1]:
            wrong.append(f"{name} (line {call.lineno}) needs {'='.join(map(str, UNLESS[name]))}")
        elif name in NEVER_WITH and given.get(NEVER_WITH[name][0], False) is not False:
            wrong.append(f"{name} (line {call.lineno}) may not have {'='.join(map(str, NEVER_WITH[name]))}")
    return wrong


# what belongs to somebody


def names_a_machine(text: str) -> list[str]:
    """Folders of one person's machine in ``text``."""
    return sorted({f"the path {found[0]} is of one machine" for found in PRIVATE.finditer(text)})


def holds_a_secret(text: str) -> list[str]:
    """Keys, tokens and passwords in ``text``, by their kind; the secret itself is not said again."""
    known = {kind.__name__: kind for kind in get_mapping_from_secret_type_to_class().values()}
    wrong = []
    for name in DETECTORS:
        detector = known[name]()
        if [value for value in detector.analyze_string(text) if not TEMPLATE.match(str(value))]:
            wrong.append(f"there is what looks like a secret: {detector.secret_type}")
    return wrong + [
        f"there is what looks like a secret: {k}" for k, p in MORE_SECRETS.items() if p.search(text)
    ]


# licences


def licences(root: Path = project.ROOT) -> tuple[int, dict]:
    """What ``reuse lint`` says of a folder: its exit status, and its findings."""
    command = [sys.executable, "-m", "reuse", "--root", str(root), "lint", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    return done.returncode, json.loads(done.stdout)["non_compliant"]


def files_of_nobody(root: Path = project.ROOT) -> list[str]:
    """Files of which REUSE.toml says no licence or no owner, and licences whose text is not in LICENSES."""
    _, found = licences(root)
    wrong = {*found["missing_copyright_info"], *found["missing_licensing_info"]}
    wrong = {f"{Path(name).name} is in no entry of REUSE.toml" for name in wrong}
    return sorted(wrong | {f"LICENSES has no text of {name}" for name in found["missing_licenses"]})


def unnamed_binaries(names: list[str], root: Path = project.ROOT) -> list[str]:
    """Pictures, weights and fonts among ``names`` that REUSE.toml does not name one by one."""
    entries = tomllib.loads((root / "REUSE.toml").read_text(encoding="utf-8"))["annotations"]
    paths = [entry["path"] for entry in entries]
    told = {path for given in paths for path in ([given] if isinstance(given, str) else given)}
    binary = [name for name in names if Path(name).suffix and not IS_TEXT.search(name)]
    return [f"{name} is no text: name it in REUSE.toml by itself" for name in binary if name not in told]


def unknown_terms(name: str, use: str, licence: str) -> list[str]:
    """What is wrong with the licence of a package of npm's."""
    from license_expression import get_spdx_licensing

    if not licence or get_spdx_licensing().validate(licence).errors:
        return [f"{name}: {licence!r} is no licence that SPDX knows"]
    if use != "test" and not set(re.split(r" (?:OR|AND) ", licence)) <= MAY_BE_SERVED:
        return [f"{name}: {licence} is not among those under which the website hands things on"]
    return []


# packages


def unhashed(lock: str) -> list[str]:
    """Entries of a lock that are no exact version with at least one SHA-256, and any other line."""
    wrong, entry = [], ""
    for line in [*lock.splitlines(), ""]:
        if re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}( \\)?| +#[ \w.():-]+", line):
            entry += line
            continue
        if entry and "--hash=" not in entry:
            wrong.append(f"{entry.split()[0]} has no hash")
        is_version = re.fullmatch(r"[a-z0-9._-]+==[\w.]+( ; [^/@\\]+)?( \\)?", line)
        entry = line if is_version else ""
        if line and not is_version:
            wrong.append(f"this is no version: {line[:60]!r}")
    return wrong
