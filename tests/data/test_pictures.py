"""Every odd file gives the right picture or a reason, never wrong pixels."""

import contextlib
import struct
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from odd_pictures import BLUE, GREEN, RED, WHITE, content, left_and_right, two_tone, written
from PIL import Image, ImageFile

from resnet_utils import data
from resnet_utils.data import pictures


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


@given(some.integers(2, 40), some.integers(2, 40), some.data())
@settings(deadline=None, max_examples=60)
def test_a_share_is_the_middle_that_torchvision_cuts_out(width, height, drawn):
    """Every pixel has a colour of its own, so a cut that is off by one in either direction shows."""
    from torchvision.transforms.v2 import functional

    side = drawn.draw(some.integers(1, min(width, height) - 1))
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(width), np.arange(height)[:, None]
    image = Image.fromarray(pixels)
    found = data.read_picture(content(image, "PNG"), side, share=side / min(width, height))
    expected = functional.center_crop(image, [side, side])
    np.testing.assert_array_equal(found, np.asarray(expected).transpose(2, 0, 1))


@pytest.mark.parametrize("size", [7, 10, 31])
def test_what_is_enlarged_lies_on_straight_lines_between_the_pixels(size):
    """As torch interpolates between the centres of pixels; Pillow rounds after each of the two directions."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    found = data.read_picture(content(Image.fromarray(pixels), "PNG"), size)
    small = torch.from_numpy(pixels).permute(2, 0, 1)[None].double()
    expected = torch.nn.functional.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(found, expected[0].numpy(), rtol=0, atol=1.01)  # half a level each, and bits


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
        "no picture but a PostScript drawing",
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


# odd and deep


def deep(values, kind, **options):
    return content(Image.fromarray(np.asarray(values, dtype=np.uint16)), kind, **options)


RAMP = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (32, 1))
PGM = b"P5 32 32 65535\n" + RAMP.astype(">u2").tobytes()
TWELVE_BITS_STATED = b"P5 32 32 4095\n" + (RAMP // 16).astype(">u2").tobytes()


@pytest.mark.parametrize("name", ["PNG", "TIFF", "PPM", "JPEG2000", "big-endian", "12 of 12 bits"])
def test_deep_gray_keeps_its_range_in_every_format(name):
    made = {"PPM": PGM, "12 of 12 bits": TWELVE_BITS_STATED, "big-endian": big_endian_tiff(RAMP)}
    found = data.read_picture(made[name] if name in made else deep(RAMP, name), 32)
    np.testing.assert_allclose(found[0], RAMP / 257, atol=0.6)  # a whole number; 4095 levels before


def big_endian_tiff(values):
    """By hand, after TIFF 6.0: header, pixels, directory."""
    pixels = values.astype(">u2").tobytes()
    height, width = values.shape
    entries = [(256, 3, width), (257, 3, height), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
    entries += [(277, 3, 1), (278, 3, height), (279, 4, len(pixels))]
    body = struct.pack(">H", len(entries))
    for tag, kind, value in entries:
        body += struct.pack(">HHI", tag, kind, 1) + struct.pack(">I" if kind == 4 else ">Hxx", value)
    return b"MM\x00\x2a" + struct.pack(">I", 8 + len(pixels)) + pixels + body + bytes(4)


def test_white_is_zero_is_no_negative_at_any_depth():
    for values, depth in ((RAMP, 257), ((RAMP // 257).astype(np.uint8), 1)):
        stored = content(Image.fromarray(values), "TIFF")
        inverted = stored.replace(struct.pack("<HHIH", 262, 3, 1, 1), struct.pack("<HHIH", 262, 3, 1, 0))
        assert inverted != stored
        found = data.read_picture(inverted, 32)
        np.testing.assert_allclose(found[0], 255 - values / depth, atol=0.6)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_sliver_of_the_stated_range_is_put_aside_with_the_reason(kind):
    for values, span in ((RAMP // 17, "0 to 3855"), (30_000 + RAMP // 100, "30000 to 30655")):
        with pytest.raises(ValueError, match=f"uses only {span} of 0 to 65535"):
            data.read_picture(deep(values, kind), 8)


@given(low=some.integers(0, 65535), high=some.integers(0, 65535))
def test_deep_gray_is_right_to_half_a_level_or_refused(low, high):
    values = np.full((8, 8), low)
    values[:, 4:] = high
    try:
        found = data.read_picture(deep(values, "PNG"), 8)
    except ValueError as error:
        assert "uses only" in str(error)  # noqa: PT017 - either is right, by the span
        assert abs(high - low) < 65536 / 16
    else:
        np.testing.assert_allclose(found[0], values / 257, atol=0.51)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_a_wholly_transparent_picture_is_put_aside_and_not_white(mode):
    image = Image.new("RGBA", (20, 20), (200, 10, 10, 0)).convert(mode)
    image.putalpha(0)  # which an older Pillow forgets on the way to PA
    with pytest.raises(ValueError, match="wholly transparent: alpha is 0 of 255"):
        data.read_picture(content(image, "TIFF" if mode == "PA" else "PNG"), 8)


@pytest.mark.parametrize(
    ("kind", "atol"),
    [("AVIF", 12), ("JPEG2000", 12), ("TGA", 0), ("QOI", 0), ("ICO", 0), ("PCX", 0), ("SGI", 0)],
)
def test_every_format_that_pillow_decodes_is_a_picture(kind, atol):
    if kind not in Image.SAVE:
        Image.init()
    if kind in ("AVIF", "QOI") and kind not in Image.SAVE:  # the first needs a library, both a newer Pillow
        pytest.skip(f"this Pillow does not write {kind}")
    options = {"sizes": [(40, 40)]} if kind == "ICO" else {}
    found = data.read_picture(content(two_tone(), kind, **options), 16)
    np.testing.assert_allclose(left_and_right(found), (RED, BLUE), atol=atol)


def test_lab_becomes_its_color():
    middle = Image.new("LAB", (8, 8), (137, 128, 128))  # L* of 54, no colour: sRGB grey near 129
    np.testing.assert_allclose(data.read_picture(content(middle, "TIFF"), 8), 129, atol=3)


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100)
BEGINNINGS = {
    "HEIC": (HEIC, "a HEIC picture, as iPhones take them; convert it to JPEG, or install pillow-heif"),
    "film": (b"\x00\x00\x00\x18ftypisom" + bytes(90), "a film"),
    "raw": (b"\x00\x00\x00\x18ftypcrx " + bytes(90), "a raw photograph"),
    "PDF": (b"%PDF-1.7\n...", "a PDF document"),
    "archive": (b"PK\x03\x04" + bytes(30), "a ZIP archive"),
    "JPEG XL": (b"\xff\x0a" + bytes(30), "a JPEG XL picture"),
    "drawing": (b'\n<svg xmlns="http://www.w3.org/2000/svg"/>', "a drawing"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "AppleDouble": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(60), "AppleDouble"),
    "zeros": (bytes(4000), "zeros, as an interrupted download"),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_the_first_bytes_say_what_it_is_and_what_to_do(name):
    with pytest.raises(ValueError, match=f"no picture.* but .*{BEGINNINGS[name][1]}"):
        data.read_picture(BEGINNINGS[name][0], 8)


def test_a_picture_of_no_pixels_is_refused():
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        data.read_picture(content(two_tone(), "PNG"), 0)


def test_what_is_no_file_is_said_in_words(tmp_path):
    with pytest.raises(ValueError, match="a folder, not a file"):
        data.read_picture(tmp_path, 8)
    with pytest.raises(ValueError, match="an address, not a file; download it first"):
        data.read_picture("https://example.org/cat.jpg", 8)
    with pytest.raises(TypeError, match=r"a picture is a path, or the content .* got Image"):
        data.read_picture(two_tone(), 8)


@given(some.binary(max_size=300))
def test_any_bytes_give_a_picture_or_a_reason(noise):
    starts = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\x00", b"P5 3 3 65535\n", b"\x00\x00\x02\x00")
    for start in (b"", *starts):
        with contextlib.suppress(ValueError):  # and nothing else
            assert data.read_picture(start + noise, 8).shape == (3, 8, 8)


@given(some.binary(max_size=60))
def test_damaged_exif_leaves_the_picture_as_it_is_stored(noise):
    stored = content(two_tone(), "JPEG", quality=95, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + noise)
    assert data.read_picture(stored, 8).shape == (3, 8, 8)


def test_a_cheap_check_and_a_reading_agree_where_the_end_or_the_head_is_damaged(tmp_path):
    whole = content(two_tone(width=200, height=200), "JPEG")
    files = {"whole": whole, "cut": whole[:-200], "behind": whole + b"\x00" * 30, "empty": b"", "text": b"no"}
    files |= {"deep": deep(RAMP // 100, "PNG"), "png": content(two_tone(), "PNG")[:-30], "end": whole[:-2]}
    for name, stored in files.items():
        path = tmp_path / name
        path.write_bytes(stored)
        outcomes = []
        for look in (pictures.check_picture, lambda path: data.read_picture(path, 8)):
            try:
                look(path)
                outcomes.append("")
            except ValueError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1], name
