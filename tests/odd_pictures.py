"""Small pictures for the tests, and files of them."""

import io

from PIL import Image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def two_tone(left=RED, right=BLUE, *, width=40, height=40):
    """A picture whose left half differs from its right half."""
    image = Image.new("RGB", (width, height), right)
    image.paste(left, (0, 0, width // 2, height))
    return image


def written(image, name, folder, **options):
    """The path of ``image``, saved in the format that ``options`` or its name says."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def content(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def left_and_right(pixels):
    """The colours in the middle of the left and of the right half."""
    size = pixels.shape[1]
    return tuple(map(tuple, pixels[:, size // 2, [size // 4, -size // 4]].T.tolist()))
