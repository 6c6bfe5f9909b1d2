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
from resnet_utils.reporting.roles import COLORS, DASHES, MARKERS
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
    ("plain", "branch", "plain", "plain twin, a block cut"),
)
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 380, 60, 20, 20, 130
DASH_LENGTHS = {"-": "none", "--": "7 4", ":": "2 3", "-.": "7 3 2 3"}


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
that is cut; guessing gives half. Without any cut it is {whole["residual"]:.1f} % with shortcuts
and {whole["plain"]:.1f} % for the plain twin.</figcaption>
<details><summary>The same as a table</summary>
<table><thead><tr><th scope="col">block</th>{head}</tr></thead>
<tbody>
{body}
</tbody></table>
</details>
</figure>
"""


def _drawing(curves: Sequence[tuple[list[float], str, str]]) -> str:
    """Three curves over the blocks; text in the colour of the page around it."""
    count = len(curves[0][0])

    def at(number: int, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (number + 0.5) / count
        return round(x, 1), round(TOP + (HEIGHT - TOP - BOTTOM) * (100 - value) / 70, 1)  # 30 to 100 %

    parts = []
    for value in range(30, 101, 10):
        y = at(0, value)[1]
        width = 1.5 if value == 50 else 0.4
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="currentColor" stroke-width="{width}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{value}</text>')
    for number in range(count):
        x, y = at(number, 30)
        parts.append(f'<text x="{x}" y="{y + 20}" text-anchor="middle">{number + 1}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    foot = HEIGHT - BOTTOM
    parts.append(f'<text x="{middle}" y="{foot + 40}" text-anchor="middle">block that is cut</text>')
    parts.append(
        f'<text transform="translate(14 {(TOP + foot) / 2}) rotate(-90)" text-anchor="middle">'
        "accuracy (%)</text>"
    )
    for line, (values, role, words) in enumerate(curves):
        points = [at(number, value) for number, value in enumerate(values)]
        y = foot + 62 + 20 * line
        legend = [(LEFT, y - 4), (LEFT + 40, y - 4)]
        for where in (points, legend):
            way = "M" + " L".join(f"{x} {y}" for x, y in where)
            parts.append(
                f'<path d="{way}" fill="none" stroke="{COLORS[role]}" stroke-width="2" '
                f'stroke-dasharray="{DASH_LENGTHS[DASHES[role]]}"/>'
            )
        parts += [_mark(x, y, role) for x, y in (*points, (LEFT + 20, y - 4))]
        parts.append(f'<text x="{LEFT + 50}" y="{y}">{escape(words)}</text>')
    inside = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Accuracy after one cut, by the block; '
        f'the numbers stand in the table below." fill="currentColor" font-size="14">\n{inside}\n</svg>'
    )


def _mark(x: float, y: float, role: str) -> str:
    """The marker of a role: a disc, a square or a diamond."""
    color, kind = COLORS[role], MARKERS[role]
    if kind == "o":
        return f'<circle cx="{x}" cy="{y}" r="5" fill="{color}"/>'
    turned = f' transform="rotate(45 {x} {y})"' if kind == "D" else ""
    return f'<rect x="{x - 4.5:g}" y="{y - 4.5:g}" width="9" height="9" fill="{color}"{turned}/>'


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
