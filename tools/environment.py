"""Create or refresh a virtual environment for the book: ``python3 tools/environment.py KIND``.

``site`` (.venv-site) can build the website, ``pdf`` (.venv-pdf) print it too, and ``lint`` (.venv-lint) look
at the form of the code, all without torch; ``full`` (.venv) can run and test every chapter; ``lowest``
(.venv-lowest) can do that with the lowest versions that pyproject.toml allows; ``keras`` (.venv-keras) has
TensorFlow and JAX for chapter 7.
What is installed comes from requirements.lock and has to be, to the byte, a file whose SHA-256 stands there.
Three are exempt, because their versions are not those of the lock: ``lowest``; ``keras``, since TensorFlow
does not go with some of it; and all of them with BOOK_UNLOCKED=1, which asks for the newest versions.
Nothing is done when the environment already fits.
This file runs on any Python 3, so that an old one gets a clear message.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 11)
NEWEST_FOR_LOWEST = (3, 12)  # for later ones nobody has built NumPy 1.26
KINDS = {  # name: folder, what is installed, how much it is
    "site": (".venv-site", ["--group", "site"], "a minute"),
    "pdf": (".venv-pdf", ["--group", "site", "--group", "pdf"], "a minute"),
    "lint": (".venv-lint", ["--group", "lint"], "seconds"),
    "full": (".venv", ["--group", "test", "-e", "."], "6 GB"),
    "lowest": (".venv-lowest", ["--group", "test", "-e", "."], "6 GB"),
    "keras": (".venv-keras", ["--group", "keras", "-e", "."], "7 GB"),
}
NO_NETWORK = """nothing can be fetched. Is there a network? pip says:
    {}
Behind a proxy, set HTTPS_PROXY; with an index of your own, PIP_INDEX_URL.
What has arrived is kept: the same command goes on from there."""
UNLOCKED = ("keras", "lowest")  # kinds whose versions are not those of the lock
LOCK = "requirements.lock"
OTHER_BYTES = """a package that came is not the one that requirements.lock names, so nothing of it is used.
The lines above say which. Is the package index the one you mean? If the lock is older than a new build of
this version, `make lock` writes it anew."""
MISMATCH = re.compile(r"DO NOT MATCH THE HASHES|Hash mismatch", re.IGNORECASE)
CUT_OFF = re.compile(r"connection broken|Failed to resolve|NewConnection|Network is unreachable|ProxyError")
PROBE = "tqdm"  # small, without dependencies on Linux and macOS, and one that the book needs anyway


def complain(message):
    """Leave with ``message`` and exit status 1."""
    sys.exit("environment: " + message)


def check_python():
    """Leave with advice if this Python cannot make the environment."""
    version = ".".join(str(n) for n in sys.version_info[:3])
    if sys.version_info < OLDEST:
        complain(
            f"Python 3.11 or newer is needed, but {sys.executable} is {version}.\n"
            "If another one is installed, name it: make PYTHON=python3.12 ..."
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        complain(
            f"this Python ({sys.executable}, {version}) has no venv module.\n"
            "On Debian and Ubuntu: apt install python3-venv"
        )


def wanted(kind, locked):
    """What the environment depends on, as one short text; it is stored there when all is installed."""
    digest = hashlib.sha256()
    for name in (LOCK, "pyproject.toml"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return "{} {} {} {}".format(
        kind, "locked" if locked else "newest", sys.version_info[:2], digest.hexdigest()
    )


def run(*command):
    """Run a command in the project's root; tell whether it worked."""
    return subprocess.call(command, cwd=ROOT) == 0


def heard(*command):
    """Run a command in the project's root; return whether it worked, and all that it said."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = process.communicate()[0].decode("utf-8", "replace")
    return process.returncode == 0, said


def ask_for_a_network(said):
    """Leave with that question if ``said``, by pip, speaks of a connection that did not come about."""
    lines = [line.strip() for line in said.splitlines() if CUT_OFF.search(line)]
    if lines:
        complain(NO_NETWORK.format(lines[-1]))


def probe(python):
    """Leave with the same question if pip, with the index and proxy it is set to, cannot fetch a package."""
    folder = tempfile.mkdtemp()
    asked = ["pip", "download", "-q", "--no-deps", "--no-cache-dir", "--retries", "1", "--timeout", "20"]
    _, said = heard(python, "-m", *([*asked, "--disable-pip-version-check", "-d", folder, PROBE]))
    shutil.rmtree(folder, ignore_errors=True)
    ask_for_a_network(said)


def disk(path):
    """The number of the disk on which ``path`` lies, or would lie."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_dev


def link_or_copy(python, size):
    """Let uv link files out of its cache where it can; say so where it has to keep each file twice."""
    home = os.path.expanduser("~")
    if not os.access(home, os.W_OK):
        os.environ.setdefault("UV_NO_CACHE", "1")
        return
    works, said = heard(python, "-m", "uv", "cache", "dir")
    if works and disk(said.strip()) == disk(ROOT):
        return  # links are what uv takes by itself
    os.environ.setdefault("UV_LINK_MODE", "copy")  # with no warning for each package
    if size.endswith("GB"):
        print(
            f"environment: uv's cache lies on another disk, so {size} are kept a second time there "
            "(`uv cache clean` frees them)",
            flush=True,
        )


def bare(requirement):
    """The name in a requirement such as ``Sphinx_Exercise>=1.0``, as the lock writes it."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(kind):
    """Names of the packages that pyproject.toml asks for in an environment of this kind."""
    import tomllib  # here: an old Python has no such module, and is told so before

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)
    groups = project["dependency-groups"]

    def members(group):
        for entry in groups[group]:
            if isinstance(entry, str):
                yield bare(entry)
            else:
                yield from members(entry["include-group"])

    asked = KINDS[kind][1]
    names = {n for i, word in enumerate(asked) if word == "--group" for n in members(asked[i + 1])}
    if "-e" in asked:
        names |= {bare(entry) for entry in project["project"]["dependencies"]}
    return names


def locked_lines(names):
    """What requirements.lock says of ``names`` and of all that they need: versions, conditions and hashes.

    Below each package the lock says which others need it; so those that a group needs are found without
    asking an index.

    Raises:
        KeyError: if one of ``names`` is not in the lock.
    """
    entries = []  # name, lines, names of those that need it
    with open(os.path.join(ROOT, LOCK), encoding="utf-8") as file:
        for line in file:
            if line[:1].isalnum():
                entries.append((line.partition("==")[0], [], set()))
            if "#" in line:
                entries[-1][2].update(line.strip(" #\n").removeprefix("via").split()[:1])
            else:
                entries[-1][1].append(line)
    missing = names - {name for name, _, _ in entries}
    if missing:
        raise KeyError(f"not in {LOCK}: {', '.join(sorted(missing))}; run make lock")
    wanted, before = set(names), 0
    while len(wanted) > before:
        before = len(wanted)
        wanted |= {name for name, _, needed_by in entries if needed_by & wanted}
    return "".join("".join(lines) for name, lines, _ in entries if name in wanted)


def steps(kind, locked, folder):
    """What is handed to ``pip install``, one list after the other; a part of the lock is put into ``folder``.

    The package itself comes last and by itself: a folder has no hash. What builds it is in the lock.
    """
    asked = KINDS[kind][1]
    if kind == "lowest":
        return [["--resolution", "lowest-direct", *asked]]
    if not locked or kind in UNLOCKED:
        return [["--upgrade", *asked]]
    part = os.path.join(folder, "locked.txt")
    with open(part, "w", encoding="utf-8") as file:
        file.write(locked_lines(asked_for(kind)))
    package = [["--no-deps", "--no-build-isolation", "-e", "."]] if "-e" in asked else []
    return [["--require-hashes", "-r", part], *package]


def uv_requirement(locked, folder):
    """How pip is asked for uv: by the hashes of the lock, or for any that is new enough."""
    if not locked:
        return ["uv>=0.8"]
    part = os.path.join(folder, "uv.txt")
    with open(part, "w", encoding="utf-8") as file:
        file.write(locked_lines({"uv"}))
    return ["--require-hashes", "-r", part]


def install(kind, python, locked):
    """Install what ``kind`` asks for with uv, or with pip where uv cannot be had."""
    folder = tempfile.mkdtemp()
    try:
        _install(kind, python, locked, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _install(kind, python, locked, folder):
    todo, size = steps(kind, locked, folder), KINDS[kind][2]
    quiet = [] if sys.stdout.isatty() else ["-q"]
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    works, said = heard(*(pip + uv_requirement(locked, folder)))
    if works:
        link_or_copy(python, size)
        # Compiled once here, not in each process: some machines forbid Python to keep what it compiles, and
        # then every import of torch takes three times as long.
        command = [python, "-m", "uv", "pip", "install", "--compile-bytecode", "--python", python]
        if all(run(*(command + quiet + step)) for step in todo):
            return
    else:
        ask_for_a_network(said)
    probe(python)
    if kind == "lowest":
        complain("only uv can choose the lowest versions, and it did not work here:\n" + said)
    print(said + "environment: uv did not work here, pip takes its place (slower)", flush=True)
    works = True
    if "--group" in todo[0]:
        works, said = heard(*([*pip, "--upgrade", "pip>=25.1"]))  # the first that reads groups
    for step in todo:
        if works:
            works, said = heard(*(pip + step))
    if works:
        return
    ask_for_a_network(said)  # where a folder of packages has some of them, pip would call it a conflict
    print(said, flush=True)
    if MISMATCH.search(said):
        complain(OTHER_BYTES)
    complain("the packages could not be installed; the lines above say why. A second try goes on from there.")


def main():
    """Make the environment that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1] not in KINDS:
        complain("say which one: {}".format(" or ".join(sorted(KINDS))))
    kind = sys.argv[1]
    check_python()
    if kind == "lowest" and sys.version_info[:2] > NEWEST_FOR_LOWEST:
        complain(
            "the lowest versions exist for Python 3.11 and 3.12 only; a newer Python takes later ones.\n"
            "Name one of the two: make PYTHON=python3.11 test-lowest"
        )
    folder, _, size = KINDS[kind]
    locked = os.environ.get("BOOK_UNLOCKED", "") in ("", "0")
    home = os.path.join(ROOT, folder)
    stamp = os.path.join(home, ".ready")
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == wanted(kind, locked):
                return
        os.remove(stamp)
    python = os.path.join(home, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))
    print(f"environment: setting up {folder} (once; {size})", flush=True)
    works = os.path.exists(python) and run(python, "-c", "import pip")
    if not works and not run(sys.executable, "-m", "venv", "--clear", home):
        complain(f"{sys.executable} -m venv failed; the lines above say why")
    install(kind, python, locked)
    with open(stamp, "w") as file:
        file.write(wanted(kind, locked))


if __name__ == "__main__":
    main()
