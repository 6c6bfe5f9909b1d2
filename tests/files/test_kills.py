"""``kill -9`` at some points of a download and of a training: the next run ends as if nothing had happened.

``python tests/kills.py download 50 FOLDER`` and ``... training 50 FOLDER`` try more of them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import patience

POINTS = 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals and fork of POSIX")
@pytest.mark.parametrize("what", ["download", "training"])
def test_a_killed_run_is_made_good_by_the_next_one(tmp_path, what):
    command = [sys.executable, str(Path(__file__).parents[1] / "kills.py"), what, str(POINTS), str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=patience.seconds(600)
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("kills") == POINTS
    assert set(found.values()) == {0}, found
