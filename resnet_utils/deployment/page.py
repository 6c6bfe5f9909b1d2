"""A report as one page of HTML: nothing is loaded from elsewhere, so it can be sent and kept as a file.

Introduced in chapter 5.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import torch
from torch import Tensor

from resnet_utils.data.pieces import Images, images_from, require_images
from resnet_utils.deployment.report import Report
from resnet_utils.runtime import given

THUMBNAIL = 96  # side in pixels
SIDE = 240  # of the diagram, in its own units


@dataclass(frozen=True)
class Section:
    """A part of the page that the report itself does not know: the photographs, the training, the use.

    Args:
        title: its heading.
        lines: paragraphs.
        caption: of the table.
        columns: its headings.
        rows: its rows; none: no table.
    """

    title: str
    lines: Sequence[str] = ()
    caption: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()


@given.explained
def to_html(
    report: Report, images: Images, *, title: str, sections: Sequence[Section] = (), limits: Sequence[str]
) -> str:
    """The page, complete in itself: pictures stand in it as small JPEGs, and nothing comes from outside.

    Every name is escaped, whatever signs it has.

    Args:
        report: from ``judge``.
        images: the split that the report judged, or its images, uint8 (N, 3, size, size): the worst mistakes
            are shown, and no others are decoded.
        title: the heading of the page.
        sections: what else there is to say.
        limits: what the classifier is not for; at least one.

    Raises:
        ValueError: if ``images`` are not as many as the report judged, or no limit is named.
        TypeError: if ``limits`` is a single text, or the title is none.
    """
    given.of_kind("title", title, str)
    import jinja2

    require_images(images)
    if (count := len(images) if images.shape else 0) != report.count:
        raise ValueError(f"the report judged {report.count} images, got {count}")
    if not given.texts("limits", limits):
        raise ValueError("name at least one limit: every classifier has some")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    source = (resources.files("resnet_utils.deployment") / "page.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        report=report,
        title=title,
        names=[row.name for row in report.classes],
        pictures=[(mistake, _shown(images, mistake.place)) for mistake in report.mistakes],
        diagram=environment.from_string(DIAGRAM).render(bins=report.bins, side=SIDE, percent=_percent),
        sections=sections,
        limits=limits,
        percent=_percent,
    )


@given.explained
def thumbnail(image: Tensor) -> str:
    """An image as a small JPEG in a data URI, which stands in a page instead of a file.

    Args:
        image: uint8 (3, H, W), on any device.

    Raises:
        ValueError: if it is something else, or empty.
    """
    if image.dtype != torch.uint8 or image.ndim != 3 or len(image) != 3 or not image.numel():
        raise ValueError(f"image must be uint8 (3, H, W), got {image.dtype} {tuple(image.shape)}")
    from PIL import Image

    picture = Image.fromarray(image.cpu().permute(1, 2, 0).contiguous().numpy())
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"


def _shown(images: Images, place: int) -> str:
    return thumbnail(images_from(images, place, place + 1)[0])


def _percent(share: float | None) -> str:
    """A share in per cent, or a dash where there is none; with a space that does not break."""
    return "–" if share is None else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


DIAGRAM = """<svg viewBox="-44 -12 {{ side + 60 }} {{ side + 56 }}" width="360" role="img" aria-label="\
Reliability: share of right answers over mean probability, a dot for each row of the table below.">
<g fill="none" stroke="currentColor">\
<rect width="{{ side }}" height="{{ side }}" stroke-opacity=".5"/>\
<line x1="0" y1="{{ side }}" x2="{{ side }}" y2="0" stroke-dasharray="4 4" stroke-opacity=".6"/></g>
<g fill="currentColor">{% for low, high, count, sure, right in bins %}\
<circle cx="{{ '%.1f' | format(side * sure) }}" cy="{{ '%.1f' | format(side * (1 - right)) }}" r="5">\
<title>{{ count }} answers: {{ percent(sure) }} sure, {{ percent(right) }} right</title></circle>\
{% endfor %}</g><g fill="currentColor" font-size="12" text-anchor="middle">\
<text x="{{ side / 2 }}" y="{{ side + 34 }}">mean probability (%)</text>\
<text x="0" y="{{ side + 16 }}">0</text>\
<text x="{{ side }}" y="{{ side + 16 }}">100</text>\
<text x="-14" y="{{ side }}">0</text><text x="-18" y="8">100</text>\
<text transform="translate(-30 {{ side / 2 }}) rotate(-90)">right answers (%)</text></g></svg>"""
