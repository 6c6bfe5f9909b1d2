"""Every odd file gives the right picture or a reason, never wrong pixels."""

import contextlib
import io
import os
import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from resnet_utils import data

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


@pytest.fixture
def folder(tmp_path):
    """Two classes of three pictures."""
    for name, color in (("cat", RED), ("dog", BLUE)):
        for k in range(3):
            written(Image.new("RGB", (20, 20), color), f"{name}/{k}.png", tmp_path / "animals")
    return tmp_path / "animals"


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_content_decides_and_not_the_name(tmp_path, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    path = written(two_tone(), "a.jpg", tmp_path, format=kind, **options)
    assert left_and_right(data.read_picture(path, 16)) == (RED, BLUE)


def test_the_centerd_square_is_kept(tmp_path):
    wide = Image.new("RGB", (120, 40), GREEN)
    wide.paste(two_tone(), (40, 0))
    found = data.read_picture(written(wide, "a.png", tmp_path), 40)
    np.testing.assert_array_equal(found, np.asarray(two_tone()).transpose(2, 0, 1))
    tall = wide.transpose(Image.Transpose.ROTATE_90)
    found = data.read_picture(written(tall, "b.png", tmp_path), 40)
    assert not (found[1] > 0).any()


STORED = {  # EXIF orientation: how the camera turned the upright picture (EXIF 2.3, tag 0x0112)
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
def test_exif_rotation_is_undone(tmp_path, orientation):
    upright = two_tone(width=64, height=64)
    upright.paste(GREEN, (0, 0, 32, 32))  # no symmetry left
    done, exif = STORED[orientation], Image.Exif()
    exif[0x0112] = orientation
    path = written(upright if done is None else upright.transpose(done), "a.png", tmp_path, exif=exif)
    found = data.read_picture(path, 64)
    np.testing.assert_array_equal(found, np.asarray(upright).transpose(2, 0, 1))


def test_gray_becomes_three_equal_channels(tmp_path):
    found = data.read_picture(written(two_tone().convert("L"), "a.png", tmp_path), 16)
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()
    assert left_and_right(found) == ((76,) * 3, (29,) * 3)  # 0.299 and 0.114 of 255


def test_sixteen_bit_gray_is_scaled_and_not_clipped(tmp_path):
    values = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (32, 1))
    for name in ("a.png", "a.tiff"):
        found = data.read_picture(written(Image.fromarray(values), name, tmp_path), 32)
        np.testing.assert_allclose(found[0], values / 257, atol=0.51)  # rounded to a whole number


def test_cmyk_keeps_its_colors(tmp_path):
    path = written(two_tone().convert("CMYK"), "a.jpg", tmp_path, quality=95)
    np.testing.assert_allclose(left_and_right(data.read_picture(path, 16)), (RED, BLUE), atol=4)  # JPEG


@pytest.mark.parametrize("kind", ["P", "PA", "RGBA", "LA"])
def test_transparency_lies_on_white_without_a_warning(tmp_path, kind):
    image = two_tone(BLUE, RED).convert("RGBA")
    image.paste((9, 99, 9, 0), (0, 0, 20, 40))  # the left half invisible, with a colour nobody sees
    if kind == "P":  # a palette with an alpha for each entry, which Pillow warns about
        image = image.quantize(4)
        image.info["transparency"] = bytes([0 if a == 9 else 255 for a in image.getpalette()[0:12:3]])
        path = written(image, "a.png", tmp_path, transparency=image.info["transparency"])
    else:
        path = written(image.convert("LA") if kind == "LA" else image, "a.png", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        left, right = left_and_right(data.read_picture(path, 16))
    assert left == WHITE
    assert right == ((76,) * 3 if kind == "LA" else RED)


def test_animation_gives_its_first_frame(tmp_path):
    frames = [two_tone(GREEN, RED), two_tone(RED, BLUE)]
    path = written(frames[0], "a.gif", tmp_path, save_all=True, append_images=frames[1:])
    assert left_and_right(data.read_picture(path, 16)) == (GREEN, RED)


def test_big_jpeg_is_decoded_small_with_the_same_result(tmp_path):
    shades = np.linspace(0, 255, 1024).astype(np.uint8)
    image = Image.fromarray(
        np.stack([np.tile(shades, (1024, 1)), np.tile(shades[:, None], (1, 1024))] * 2, 2)[..., :3]
    )
    jpeg, exact = written(image, "a.jpg", tmp_path, quality=95), written(image, "a.png", tmp_path)
    found, slow = (data.read_picture(path, 32).astype(int) for path in (jpeg, exact))
    assert abs(found - slow).max() <= 4  # JPEG's own error, at quality 95 on smooth shades


def test_one_pixel_high_picture_does_not_explode(tmp_path):
    path = written(Image.new("RGB", (50_000, 1), RED), "a.png", tmp_path)
    assert data.read_picture(path, 8).shape == (3, 8, 8)


BAD = {
    "empty.jpg": (b"", r"the file is empty \(0 bytes\)"),
    "text.jpg": (b"not a picture at all", "no picture but a file that begins with b'not a picture"),
    "page.jpg": (b"<!DOCTYPE html><html></html>", "no picture but an HTML page"),
    "program.jpg": (
        content(two_tone(), "EPS"),
        "no picture but a file that begins with b'%!PS",
    ),  # runs a program
    "cut.jpg": (content(two_tone(width=300, height=300), "JPEG")[:1500], "damaged: .*truncated"),
    "cut.png": (content(Image.effect_noise((60, 60), 90), "PNG")[:-300], "damaged: "),
    "header.gif": (content(two_tone(), "GIF")[:20], "damaged: |no picture"),
    "range.tiff": (
        content(Image.new("F", (8, 8), 0.5), "TIFF"),
        "32-bit values .mode F. have no known range",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_refused_with_the_reason(tmp_path, name):
    (tmp_path / name).write_bytes(BAD[name][0])
    with pytest.raises(ValueError, match=BAD[name][1]):
        data.read_picture(tmp_path / name, 16)


def test_a_flipped_bit_in_a_png_never_gives_wrong_pixels(tmp_path):
    right = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (150, 150), dtype=np.uint8) // 8 * 3
    whole, path = content(Image.fromarray(right), "PNG"), tmp_path / "a.png"
    for place in range(len(whole) - 150, len(whole)):  # at the end, Pillow's decoder alone would miss some
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with contextlib.suppress(ValueError):
            np.testing.assert_array_equal(data.read_picture(path, 150)[0], right)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_content_is_refused_like_a_bad_file(name):
    with pytest.raises(ValueError, match=BAD[name][1]):
        data.read_picture(BAD[name][0], 16)


def test_the_content_of_a_file_gives_the_picture_of_the_file(tmp_path):
    path = written(two_tone(width=300, height=300), "a.jpg", tmp_path)
    found = data.read_picture(path.read_bytes(), 16)
    np.testing.assert_array_equal(found, data.read_picture(path, 16))


def test_too_small_a_picture_is_refused_where_that_is_asked_for(tmp_path):
    path = written(two_tone(width=100, height=31), "a.png", tmp_path)
    assert data.read_picture(path, 64, smallest=31).shape == (3, 64, 64)
    with pytest.raises(ValueError, match="only 100 x 31 pixels; at least 32 are needed on each side"):
        data.read_picture(path, 64, smallest=32)


def test_bomb_is_refused(tmp_path, monkeypatch):
    path = written(Image.new("L", (300, 300)), "a.png", tmp_path)
    for limit in (80_000, 40_000):  # Pillow warns above the limit and raises above twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=f"more than {limit:,} pixels"):
            data.read_picture(path, 16)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_damage_anywhere_gives_a_picture_or_a_reason(tmp_path, kind):
    whole, dice = content(two_tone(), kind), np.random.Generator(np.random.PCG64(0))
    for k in range(60):
        damaged = bytearray(whole)
        for place in dice.integers(0, len(whole), 4):
            damaged[place] = dice.integers(0, 256)
        path = tmp_path / f"{k}"
        path.write_bytes(damaged[: len(whole) - dice.integers(0, 3) * 10])
        with contextlib.suppress(ValueError):  # and nothing else
            assert data.read_picture(path, 8).shape == (3, 8, 8)


def test_truncated_pictures_are_not_allowed_behind_the_back():
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_folder_becomes_a_split(folder):
    split = data.image_folder(folder, size=8, source="test")
    assert split.images.shape == (6, 3, 8, 8)
    assert split.classes == ("cat", "dog")
    assert split.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert split.names == ("cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png")
    assert (split.source, split.quarantine) == ("test", ())
    assert split.images[0, :, 0, 0].tolist() == list(RED)
    assert split.images[5, :, 0, 0].tolist() == list(BLUE)


def test_litter_and_hidden_files_are_no_part_of_the_data(folder):
    (folder / "cat" / "Thumbs.db").write_bytes(b"x")
    (folder / "cat" / "desktop.ini").write_bytes(b"x")
    (folder / "cat" / ".DS_Store").write_bytes(b"x")
    (folder / "cat" / "._0.png").write_bytes(b"x")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "dog" / ".thumbnails").mkdir()
    (folder / "dog" / ".thumbnails" / "0.png").write_bytes(b"x")
    (folder / "readme.txt").write_text("beside the classes", encoding="utf-8")
    assert len(data.image_folder(folder, size=8)) == 6


def test_folders_and_names_of_any_script(tmp_path):
    root = tmp_path / "Tiere 动物"
    for name in ("кошка/été 1.png", "犬/子犬/🐶.png"):
        written(two_tone(), name, root)
    split = data.image_folder(root, size=8)
    assert split.classes == ("кошка", "犬")
    assert split.names == ("кошка/été 1.png", "犬/子犬/🐶.png")


def test_bad_files_are_an_error_that_names_them(folder):
    (folder / "cat" / "text.jpg").write_bytes(b"hello, world")
    (folder / "dog" / "zero.jpg").write_bytes(b"")
    with pytest.raises(
        ValueError,
        match=r"(?s)2 files in .* cat/text.jpg: no picture .* dog/zero.jpg: .*0 bytes.*strict=False",
    ):
        data.image_folder(folder, size=8)


def test_bad_files_can_be_left_out_with_the_reason(folder):
    (folder / "cat" / "00.jpg").write_bytes(b"hello, world")
    split = data.image_folder(folder, size=8, strict=False)
    assert len(split) == 6
    assert "cat/00.jpg" not in split.names
    assert split.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert split.images[0, :, 0, 0].tolist() == list(RED)
    [(name, reason)] = split.quarantine
    assert (name, reason[:10]) == ("cat/00.jpg", "no picture")


def test_a_class_of_bad_files_only_is_an_error_in_any_case(folder):
    for path in (folder / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no whole picture of \['cat'\] in .*0 bytes"):
        data.image_folder(folder, size=8, strict=False)


def test_missing_folder_says_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere; expected one folder a class"):
        data.image_folder(tmp_path / "nowhere", size=8)


def test_file_instead_of_a_folder_is_refused(folder):
    with pytest.raises(NotADirectoryError, match="is a file, not a folder"):
        data.image_folder(folder / "cat" / "0.png", size=8)


def test_empty_class_is_named(folder):
    (folder / "bird").mkdir()
    (folder / "bird" / "Thumbs.db").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"no file in the class folder\(s\) \['bird'\]"):
        data.image_folder(folder, size=8)


def test_single_class_is_refused(folder):
    with pytest.raises(ValueError, match="has no class folder; a classifier needs at least two"):
        data.image_folder(folder / "cat", size=8)
    for path in (folder / "dog").iterdir():
        path.unlink()
    os.rmdir(folder / "dog")
    with pytest.raises(ValueError, match="only the class folder 'cat'"):
        data.image_folder(folder, size=8)


def test_size_zero_is_refused(folder):
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        data.image_folder(folder, size=0)


def test_reading_writes_nothing(folder):
    before = sorted(folder.rglob("*"))
    assert data.image_folder(folder, size=8).images.dtype == torch.uint8
    assert sorted(folder.rglob("*")) == before
