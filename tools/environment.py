"""Create or refresh a virtual environment for the book: ``python3 tools/environment.py site`` or ``full``.

``site`` (.venv-site) can build the website, without torch; ``full`` (.venv) can run and test every chapter.
Versions come from requirements.lock, unless BOOK_UNLOCKED=1 asks for the newest ones.
Nothing is done when the environment already fits.
This file runs on any Python 3, so that an old one gets a clear message.
"""

import hashlib
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 11)
KINDS = {"site": (".venv-site", ["--group", "site"]), "full": (".venv", ["--group", "test", "-e", "."])}


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
    for name in ("requirements.lock", "pyproject.toml"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return "{} {} {} {}".format(
        kind, "locked" if locked else "newest", sys.version_info[:2], digest.hexdigest()
    )


def run(*command):
    """Run a command in the project's root; tell whether it worked."""
    return subprocess.call(command, cwd=ROOT) == 0


def install(python, requirements, locked):
    """Install ``requirements`` with uv, or with pip where uv cannot be had."""
    constraint = ["-c", "requirements.lock"] if locked else ["--upgrade"]
    quiet = [] if sys.stdout.isatty() else ["-q"]
    if run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "uv>=0.8"):
        os.environ.setdefault("UV_LINK_MODE", "copy")
        # Compiled once here, not in each process: some machines forbid Python to keep what it compiles, and
        # then every import of torch takes three times as long.
        command = [python, "-m", "uv", "pip", "install", "--compile-bytecode", "--python", python]
        if run(*(command + quiet + constraint + requirements)):
            return
    print("environment: uv did not work here, pip takes its place (slower)", flush=True)
    pip = [python, "-m", "pip", "install", "-q"]
    if run(*([*pip, "--upgrade", "pip>=25.1"])) and run(*(pip + constraint + requirements)):
        return
    complain("the packages could not be installed; the lines above say why. A second try goes on from there.")


def main():
    """Make the environment that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1] not in KINDS:
        complain("say which one: {}".format(" or ".join(sorted(KINDS))))
    kind = sys.argv[1]
    check_python()
    folder, requirements = KINDS[kind]
    locked = os.environ.get("BOOK_UNLOCKED", "") in ("", "0")
    home = os.path.join(ROOT, folder)
    stamp = os.path.join(home, ".ready")
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == wanted(kind, locked):
                return
        os.remove(stamp)
    python = os.path.join(home, "Scripts" if os.name == "nt" else "bin", "python")
    print(
        "environment: setting up {} (once; {})".format(folder, "a minute" if kind == "site" else "6 GB"),
        flush=True,
    )
    works = os.path.exists(python) and run(python, "-c", "import pip")
    if not works and not run(sys.executable, "-m", "venv", "--clear", home):
        complain(f"{sys.executable} -m venv failed; the lines above say why")
    install(python, requirements, locked)
    with open(stamp, "w") as file:
        file.write(wanted(kind, locked))


if __name__ == "__main__":
    main()
