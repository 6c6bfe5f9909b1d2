"""Real ``kill -9`` at many points of a download and of a training run, and what the next run makes of it.

    python tests/kills.py download|training POINTS FOLDER

prints one line of JSON. This process imports everything once and forks for each run, so that a point costs a
fraction of a second. The points are lines of the package, spread evenly over all lines that a whole run
executes; in a training, every fifth is a byte in the middle of a checkpoint that is being written.
"""

import hashlib
import io
import json
import os
import random
import shutil
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

# pooch, requests and dynamo are imported late by whoever needs them; here they are, once for all forks.
import bad_files  # noqa: E402
import fault_server  # noqa: E402
import pooch  # noqa: E402, F401
import requests  # noqa: E402, F401
import torch  # noqa: E402
import torch._dynamo  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from resnet_utils import training  # noqa: E402
from resnet_utils.files import archives, atomic  # noqa: E402
from resnet_utils.training import checkpoint  # noqa: E402

WRITTEN_FOR = (f"resnet_utils{os.sep}files{os.sep}", f"resnet_utils{os.sep}training{os.sep}")
EPOCHS = 3
PICTURES = {
    f"images/{number}.jpg": random.Random(number).randbytes(9000 * number) for number in range(1, 6)
} | {"lists/all.txt": b"1 2 3 4 5\n"}


PACKED = bad_files.tarred(*PICTURES.items(), mode="w:gz")


class Killer:
    """Counts the lines of the package that are executed in all threads, and ends the process at one."""

    def __init__(self, line: int | None) -> None:
        self.line, self.count = line, 0

    def __call__(self, frame, event, argument):
        if any(part in frame.f_code.co_filename for part in WRITTEN_FOR):
            return self.at
        return None

    def at(self, frame, event, argument):
        if event == "line":
            self.count += 1
            if self.count == self.line:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.at

    def watch(self) -> None:
        """From now on."""
        threading.settrace(self)
        sys.settrace(self)


def forked(job, *given) -> tuple[int, str]:
    """``job(*given)`` in a process of its own: the signal that ended it, and the text that it returned."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            text = job(*given)
            os.write(writing, text.encode())
            code = 0
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode()[:4000])
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status), ""
    if os.WEXITSTATUS(status):
        raise RuntimeError(text)
    return 0, text


def watched(job, line, *given) -> str:
    """The number of lines that a job took, if it is not killed at one."""
    killer = Killer(line)
    killer.watch()
    job(*given)
    sys.settrace(None)
    return str(killer.count)


# a download


def download(folder: Path, url: str) -> str:
    """A data set by a download, unpacked."""
    one = archives.Archive("set.tar.gz", (url,), hashlib.md5(PACKED).hexdigest())
    archives.fetch_folder(folder / "set", [one], pause=0.001)
    return ""


def content(folder: Path) -> dict[str, bytes] | None:
    """What is seen under the final name."""
    if not folder.exists():
        return None
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def kill_downloads(points: int, folder: Path) -> dict[str, int]:
    """Kill and go on; how often, and how often it ended as it must not."""
    port = _serve()
    url = f"http://127.0.0.1:{port}/good/set.tar.gz"
    whole, mark = folder / "whole", f"{archives.MARK}"
    whole.mkdir(parents=True)
    lines = int(forked(watched, download, None, whole, url)[1])
    right = content(whole / "set") or {}
    assert {name: right[name] for name in PICTURES} == PICTURES
    assert set(right) == {*PICTURES, mark}
    found = {"kills": 0, "half under the final name": 0, "other bytes": 0, "left for ever": 0}
    for place in range(points):
        here = folder / f"{place}"
        here.mkdir()
        ended, _ = forked(watched, download, 1 + place * lines // points, here, url)
        found["kills"] += ended == signal.SIGKILL
        found["half under the final name"] += content(here / "set") not in (None, right)
        forked(download, here, url)
        found["other bytes"] += content(here / "set") != right
        shutil.rmtree(here / "set")
        for path in here.rglob("*"):
            os.utime(path, (0, 0))  # long ago
        forked(download, here, url)
        left = [path for path in here.rglob("*") if not path.is_relative_to(here / "set")]
        found["left for ever"] += bool(left) or content(here / "set") != right
    return found


def _serve() -> int:
    """The port of a server in a process of its own, which ends with this one."""
    reading, writing = os.pipe()
    waiting, kept = os.pipe()
    if os.fork() == 0:
        os.close(kept)
        with fault_server.serving({"set.tar.gz": PACKED}) as server:
            os.write(writing, f"{server.server_port}\n".encode())
            os.read(waiting, 1)  # until the other side is gone
        os._exit(0)
    os.close(waiting)
    with os.fdopen(reading) as pipe:
        return int(pipe.readline())


# a training


def train(folder: Path) -> str:
    """A training in float64 that goes on where it was stopped: losses, and the digest of the weights."""
    torch.manual_seed(0), random.seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(64, 3)
    ).double()
    images = torch.rand(12, 3, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    loader = DataLoader(
        TensorDataset(images, torch.arange(12) % 3),
        4,
        shuffle=True,
        generator=torch.Generator().manual_seed(2),
    )
    optimizer = training.sgd(model, 0.1)
    history = training.fit(
        model, loader, [(images, torch.arange(12) % 3)], epochs=EPOCHS, optimizer=optimizer, device="cpu",
        scheduler=training.one_cycle(optimizer, steps=EPOCHS * 3), checkpoint=folder / "run.pt",
        progress=False,
    )  # fmt: skip
    told = {name: values for name, values in asdict(history).items() if name != "seconds"}
    weights = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
    return json.dumps([told, hashlib.sha256(weights).hexdigest()])


def train_until_byte(folder: Path, epoch: int, share: float) -> str:
    """A training that is killed while it writes the checkpoint of an epoch, after a share of the bytes."""
    real, calls = torch.save, []

    def save(state, file):
        calls.append(1)
        buffer = io.BytesIO()
        real(state, buffer)
        if len(calls) == epoch:
            file.write(buffer.getvalue()[: int(share * len(buffer.getvalue()))])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        file.write(buffer.getvalue())

    checkpoint.torch.save = save
    return train(folder)


def kill_trainings(points: int, folder: Path) -> dict[str, int]:
    """Kill and go on; how often, and how often it ended as it must not."""
    (folder / "whole").mkdir(parents=True)
    lines = int(forked(watched, train, None, folder / "whole")[1])
    _, right = forked(train, folder / "whole")  # what the finished run's checkpoint says
    (folder / "plain").mkdir()
    assert forked(train, folder / "plain")[1] == right
    found = {"kills": 0, "half under the final name": 0, "another loss": 0, "left for ever": 0}
    for place in range(points):
        here = folder / f"{place}"
        here.mkdir()
        if place % 5 == 4:
            ended, _ = forked(train_until_byte, here, 1 + place // 5 % EPOCHS, (place + 1) / points)
        else:
            ended, _ = forked(watched, train, 1 + place * lines // points, here)
        found["kills"] += ended == signal.SIGKILL
        try:
            if (here / "run.pt").exists():
                checkpoint._read(here / "run.pt")
        except ValueError:
            found["half under the final name"] += 1
        found["another loss"] += forked(train, here)[1] != right
        for path in here.glob(".*"):
            os.utime(path, (0, 0))  # long ago
        atomic.write(here / "run.pt", b"")
        found["left for ever"] += os.listdir(here) != ["run.pt"]
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    what, count, place = sys.argv[1:]
    print(json.dumps({"download": kill_downloads, "training": kill_trainings}[what](int(count), Path(place))))
