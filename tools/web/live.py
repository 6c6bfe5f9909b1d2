"""Make what stands still on the pages with a network in them: drawings, maps of one, and the recorded cuts.

``python tools/web/live.py`` writes site/live/samples/*.png, site/live/still/maps.png and book/live/cuts.html
from the package, the networks and their record ``live_network``; run it after
``experiments/live_network.py``. All is committed, so that the site is built without torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools import project

LIVE = project.ROOT / "site" / "live"
SAMPLES, STILL = LIVE / "samples", LIVE / "still" / "maps.png"
CUTS = project.BOOK / "live" / "cuts.html"
RECORD = project.ROOT / "resnet_utils" / "reporting" / "records" / "live_network.json"
SAMPLE_SIZE, SAMPLE_SEED = 128, 13  # pixels; no training has seen them, and the whole network gets them right
MAPS_A_ROW, MAP_SIDE, GAP = 12, 48, 6  # of the still picture, in pixels
# What is cut: network, word in the record, role of its curve, words for the reader.
CURVES = (
    ("residual", "branch", "residual", "with shortcuts, a branch cut"),
    ("residual", "shortcut", "highlight", "with shortcuts, a shortcut cut"),
    ("plain", "branch", "plain", "plain from its first step, a block cut"),
    ("faded", "branch", "preactivation", "plain, but lost its shortcuts late, a block cut"),
)
GUESSING = 50  # per cent
WORDS = "Accuracy after one cut, by the block; the numbers stand in the table below."


def samples() -> dict[str, np.ndarray]:
    """The drawings that a reader may begin with, name -> uint8 (H, W, 3): two cats and two dogs."""
    from resnet_utils.data import synthetic

    made = synthetic.draw(4, size=SAMPLE_SIZE, seed=SAMPLE_SEED)
    found: dict[str, np.ndarray] = {}
    for image, label in zip(made.images, made.labels.tolist(), strict=True):
        kind = made.species[label]
        number = 1 + sum(name.startswith(kind) for name in found)
        found[f"{kind}-{number}"] = image.transpose(1, 2, 0)
    return found


def maps_picture() -> np.ndarray:
    """The first twelve maps of the stem and of each stage for the first drawing, a row each: uint8 (H, W, 3).

    Each map in its own scale from zero (dark) to its largest value (light), as in the page.
    """
    import matplotlib
    import torch

    from resnet_utils import deployment
    from resnet_utils.analysis.lesions import Switchable
    from resnet_utils.deployment import inputs

    judge = deployment.Classifier.load(LIVE / "networks" / "residual.safetensors")
    pixels = inputs.pixels_of(samples()["cat-1"], judge.size, resize=judge.size)
    mean, std = (torch.tensor(values)[:, None, None] for values in (judge.mean, judge.std))
    with torch.inference_mode():
        maps = Switchable(judge.model).look(((pixels / 255 - mean) / std)[None]).maps
    rows = []
    for stage in maps.values():
        some = stage[0, :MAPS_A_ROW]
        some = some / some.amax(dim=(1, 2), keepdim=True).clamp(min=1e-9)
        large = torch.nn.functional.interpolate(some[None], (MAP_SIDE, MAP_SIDE), mode="nearest-exact")[0]
        colored = matplotlib.colormaps["cividis"](large.numpy())[..., :3]  # (maps, side, side, 3)
        framed = np.pad(colored, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=1)
        rows.append(np.concatenate(list(framed), axis=1))
    return np.round(255 * np.concatenate(rows)).astype(np.uint8)[:-GAP, :-GAP]


def accuracies(rows: Sequence[dict], network: str, cut: str) -> list[float]:
    """Accuracy in per cent after each single cut of one kind, block by block."""
    kept = {row["cut"]: row["accuracy"] for row in rows if row["network"] == network and "cut" in row}
    count = sum(name.startswith(f"{cut} ") for name in kept)
    return [100 * kept[f"{cut} {number}"] for number in range(1, count + 1)]


def cuts_page(record: dict) -> str:
    """The recorded cuts as a drawing and as a table: HTML that a page takes in."""
    rows = record["rows"]
    curves = [(accuracies(rows, network, cut), role, words) for network, cut, role, words in CURVES]
    whole = {
        row["network"]: 100 * row["accuracy"] for row in rows if "cut" in row and row["cut"] == "nothing"
    }
    images = next(row["images"] for row in rows if "cut" in row)
    head = "".join(f'<th scope="col">{escape(words)}</th>' for _, _, words in curves)
    body = "\n".join(
        f'<tr><th scope="row">{number + 1}</th>'
        + "".join(f"<td>{values[number]:.1f} %</td>" for values, _, _ in curves)
        + "</tr>"
        for number in range(len(curves[0][0]))
    )
    return f"""<figure class="live-figure">
{_drawing(curves)}
<figcaption>Accuracy on {images} photographs held out, half of them cats, after one cut, by the block
that is cut; guessing gives half. Without any cut it is {whole["residual"]:.1f} % with shortcuts,
{whole["plain"]:.1f} % for the network that was plain from its first step, and {whole["faded"]:.1f} %
for the one that lost its shortcuts while it learned cats and dogs.</figcaption>
<details><summary>The same as a table</summary>
<div class="pst-scrollable-table-container">
<table><thead><tr><th scope="col">block</th>{head}</tr></thead>
<tbody>
{body}
</tbody></table>
</div>
</details>
</figure>
"""


def _drawing(curves: Sequence[tuple[list[float], str, str]]) -> str:
    """The curves over the blocks, as a drawing that follows the page's colours."""
    import matplotlib.pyplot as plt

    from resnet_utils.reporting import plotting, vector

    plotting.use_book_style()
    figure, ax = plt.subplots(figsize=(5.6, 4.0))
    for values, role, words in curves:
        plotting.curve(ax, range(1, len(values) + 1), values, role=role, label=words)
    ax.axhline(GUESSING, color="#000000", linewidth=1)
    ax.set(xlabel="block that is cut", ylabel="accuracy (%)", ylim=(30, 100))
    figure.legend(loc="outside lower center", ncols=1)
    figure.tight_layout(rect=(0, 0.06 * len(curves), 1, 1))
    return vector.to_svg(figure, WORDS).replace("<svg ", '<svg class="figure" ', 1)


def main() -> int:
    """Write all of it."""
    from PIL import Image

    SAMPLES.mkdir(parents=True, exist_ok=True)
    for name, pixels in samples().items():
        Image.fromarray(pixels).save(SAMPLES / f"{name}.png", optimize=True)
    STILL.parent.mkdir(exist_ok=True)
    Image.fromarray(maps_picture()).quantize(256).save(STILL, optimize=True)
    CUTS.write_text(cuts_page(json.loads(RECORD.read_text(encoding="utf-8"))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
