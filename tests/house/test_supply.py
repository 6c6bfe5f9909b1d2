"""Nothing here runs by being opened, is a secret, or is nobody's; the lock lets in known files only."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile

import pytest
from house import supply

from tools import environment, project
from tools.web import vendor

# A test may open what it has just made itself; each by name.
MADE_BY_THE_TEST = {
    "tests/runtime/test_seeding.py": {"pickle.loads"},
    "tests/data/test_transforms.py": {"pickle.loads"},
    "tests/runtime/test_given.py": {"pickle.loads"},
}


def name_of(path):
    """A file as git names it."""
    return path.relative_to(project.ROOT).as_posix()


def test_no_pickle_is_opened_so_that_it_could_run():
    wrong, allowed = [], set()
    for path in supply.tracked():
        if path.suffix not in {".py", ".md"}:
            continue
        for said in (line for source in supply.code_of(path) for line in supply.opens_pickles(source)):
            if said.split()[0] in MADE_BY_THE_TEST.get(name_of(path), ()):
                allowed.add(name_of(path))
            else:
                wrong.append(f"{name_of(path)}: {said}")
    assert not wrong
    assert allowed == set(MADE_BY_THE_TEST), "an exception that nobody needs is taken away"


def test_the_cells_of_a_text_are_read_as_code():
    code = "\n".join(supply.code_of(project.TEXT / "06_beyond_classification" / "detectors.md"))
    assert "torch.load(path, weights_only=True)" in code
    assert "torch.load" in dict(supply.calls(code))


def test_no_file_holds_a_secret_or_the_path_of_one_machine():
    wrong = []
    for path in supply.tracked():
        text = path.read_bytes().decode("utf-8", errors="replace")  # names of folders hide in pictures, too
        wrong += [f"{name_of(path)}: {said}" for said in supply.names_a_machine(text)]
        wrong += [f"{name_of(path)}: {said}" for said in supply.holds_a_secret(text)]
    assert not wrong


def test_every_file_has_an_owner_and_a_licence_whose_text_is_here():
    supply.tracked()  # reuse asks git as well
    status, found = supply.licences()
    assert status == 0, {kind: names for kind, names in found.items() if names}
    assert supply.files_of_nobody() == []


def test_every_picture_and_every_weight_is_named_by_itself():
    assert supply.unnamed_binaries([name_of(path) for path in supply.tracked()]) == []


def test_the_website_hands_on_nothing_whose_licence_is_unknown():
    wrong = [said for p in vendor.packages() for said in supply.unknown_terms(p.name, p.use, p.licence)]
    assert not wrong


# the lock


LOCK = (project.ROOT / environment.LOCK).read_text(encoding="utf-8")


def test_every_package_of_the_lock_has_a_version_and_hashes_and_no_address():
    assert supply.unhashed(LOCK) == []


def test_the_lock_has_the_files_of_every_system():
    """Wheels of PyTorch differ by system, processor and Python: Linux, macOS and Windows, from 3.11 on."""
    for name in ("torch", "torchvision", "numpy", "pillow"):
        assert environment.locked_lines({name}).partition(f"{name}==")[2].count("--hash=") >= 12, name


@pytest.mark.parametrize("kind", [kind for kind in environment.KINDS if kind not in environment.UNLOCKED])
def test_an_environment_is_made_from_files_that_the_lock_names(tmp_path, kind):
    first, *rest = environment.steps(kind, True, str(tmp_path))
    assert first == ["--require-hashes", "-r", str(tmp_path / "locked.txt")]
    lines = (tmp_path / "locked.txt").read_text(encoding="utf-8")
    names = set(re.findall(r"^([a-z0-9._-]+)==", lines, re.MULTILINE))
    assert environment.asked_for(kind) <= names
    assert supply.unhashed(lines) == []
    assert ("torch" in names) == (kind == "full")
    # The folder itself has no hash; it brings no package along, and none is fetched to build it.
    assert rest == ([["--no-deps", "--no-build-isolation", "-e", "."]] if kind == "full" else [])
    assert kind != "full" or names >= {"hatchling", "editables", "uv"}


def test_whoever_is_not_made_from_the_lock_is_told_by_name(tmp_path):
    assert set(environment.UNLOCKED) == {"keras", "lowest"}
    assert environment.steps("lowest", True, str(tmp_path))[0][:2] == ["--resolution", "lowest-direct"]
    for kind, locked in (("keras", True), ("full", False)):
        assert environment.steps(kind, locked, str(tmp_path))[0][0] == "--upgrade"
    for kind in environment.UNLOCKED:
        assert f"``{kind}``" in (environment.__doc__ or "").partition("are exempt")[2]


def test_uv_comes_by_its_hash_as_well(tmp_path):
    assert environment.uv_requirement(True, str(tmp_path))[0] == "--require-hashes"
    assert (tmp_path / "uv.txt").read_text(encoding="utf-8").startswith("uv==")


def test_a_package_that_the_lock_lacks_is_named():
    with pytest.raises(KeyError, match=r"not in requirements.lock: no-such-package; run make lock"):
        environment.locked_lines({"no-such-package", "tqdm"})


def test_what_a_package_needs_comes_with_it():
    names = set(re.findall(r"^([a-z0-9._-]+)==", environment.locked_lines({"matplotlib"}), re.MULTILINE))
    assert names >= {"matplotlib", "contourpy", "pyparsing", "python-dateutil"}
    assert "torch" not in names


WHEEL = {
    "small.py": "",
    "small-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n",
    "small-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "small-1.0.dist-info/RECORD": "",
}


def test_a_file_with_other_bytes_under_the_right_name_is_refused_in_words(tmp_path, monkeypatch, capsys):
    """An index that was tampered with, as pip meets it; the folder of packages stands in for it."""
    with zipfile.ZipFile(tmp_path / "small-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in WHEEL.items():
            wheel.writestr(name, content)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = []\n[dependency-groups]\nlint = ["small"]\n'
    )
    hashes = f" \\\n    --hash=sha256:{'0' * 64}\n"
    (tmp_path / "requirements.lock").write_text(f"small==1.0{hashes}uv==1.0{hashes}")
    venv.create(tmp_path / "env", with_pip=True)
    monkeypatch.setattr(environment, "ROOT", str(tmp_path))
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(tmp_path), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    python = str(tmp_path / "env" / "bin" / "python")
    with pytest.raises(SystemExit, match=r"not the one that requirements.lock names"):
        environment.install("lint", python, locked=True)
    found = subprocess.run([python, "-c", "import small"], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in found.stderr, "nothing of it was installed"
    assert sys.executable != python
