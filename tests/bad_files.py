"""Files that are damaged, hostile or something else than their name says, made by code: pictures, archives,
weights and checkpoints of a training.

Each has a name, its bytes or what makes them, and the words that the refusal has to hold.
"""

import argparse
import bz2
import gzip
import io
import lzma
import os
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import safetensors.torch
import torch
from odd_pictures import content, two_tone
from PIL import Image
from torch import nn

# pictures


def png(*chunks):
    """A PNG of the chunks given, each (kind, data), with right checksums."""
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def header(width, height, bits=8, color=2):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)


def tiff(*entries):
    """A little-endian TIFF with one directory of (tag, type, count, value)."""
    made = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\x00" + struct.pack("<IH", 8, len(entries)) + made + struct.pack("<I", 8)


NOISE = Image.effect_noise((90, 90), 90)
JPEG = content(two_tone(width=300, height=300), "JPEG")
PNG = content(NOISE, "PNG")
BAD_PICTURES = {
    "empty": (b"", "0 bytes"),
    "zeros": (bytes(5000), "zeros"),
    "text": (b"meow\n" * 20, "a file that begins with"),
    "page": (b"\xef\xbb\xbf  <!DOCTYPE html><html></html>", "an HTML page"),
    "error in XML": (b"<?xml version='1.0'?><Error/>", "XML"),
    "error in JSON": (b'{"error": "quota"}', "a file that begins with"),
    "pointer of LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "JPEG, its head": (JPEG[:100], "damaged"),
    "JPEG, its half": (JPEG[: len(JPEG) // 2], "damaged"),
    "JPEG without its last bytes": (JPEG[:-40], "damaged"),
    "JPEG with zeros for a head": (bytes(200) + JPEG[200:], "no picture"),
    "JPEG that states no pixels": (
        JPEG.replace(struct.pack(">HH", 300, 300), bytes(4), 1),
        "damaged|no picture",
    ),
    "JPEG, two bytes": (b"\xff\xd8", "no picture|damaged"),
    "PNG, its mark": (PNG[:8], "no picture|damaged"),
    "PNG, its half": (PNG[: len(PNG) // 2], "damaged"),
    "PNG with a flipped bit": (PNG[:2000] + bytes([PNG[2000] ^ 1]) + PNG[2001:], "damaged"),
    "PNG without pixels": (png(header(8, 8), (b"IEND", b"")), "damaged"),
    "PNG of no width": (
        png(header(0, 8), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")),
        "damaged|no picture",
    ),
    "PNG of billions of pixels": (png(header(50_000, 50_000), (b"IDAT", bytes(9))), "more than"),
    "PNG that claims to be larger than it is": (
        png(header(4000, 4000), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")),
        "damaged",
    ),
    "PNG with a note that explodes": (
        png(header(8, 8), (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7))), (b"IEND", b"")),
        "damaged|no picture",
    ),
    "PNG with pixels that do not unpack": (
        png(header(8, 8), (b"IDAT", b"no stream of zlib"), (b"IEND", b"")),
        "damaged",
    ),
    "GIF, its head": (content(two_tone(), "GIF")[:20], "damaged|no picture"),
    "GIF without a picture": (b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b";", "damaged|no picture"),
    "BMP, its half": (content(two_tone(), "BMP")[:2000], "damaged"),
    "BMP of millions of columns": (
        content(two_tone(), "BMP")[:18] + struct.pack("<ii", 10**9, 10**9) + content(two_tone(), "BMP")[26:],
        "more than|damaged",
    ),
    "WebP, its half": (content(NOISE.convert("RGB"), "WEBP")[:300], "damaged|no picture"),
    "TIFF, its half": (content(two_tone(), "TIFF")[:100], "damaged|no picture"),
    "TIFF that begins again and again": (tiff((256, 4, 1, 8), (257, 4, 1, 8)), "damaged|no picture"),
    "TIFF with a tag of 4 GB": (tiff((256, 4, 2**30, 8), (257, 4, 1, 8)), "damaged|no picture"),
    "TIFF in 32-bit numbers": (content(Image.new("F", (8, 8), 0.5), "TIFF"), "no known range"),
    "PPM without pixels": (b"P6 8 8 255\n", "damaged"),
    "PPM of billions of pixels": (b"P6 99999 99999 255\n", "more than"),
    "PPM with words for a size": (b"P6 many many 255\n", "damaged|no picture"),
    "ICO without pictures": (b"\0\0\1\0\0\0", "damaged|no picture"),
    "deep grey that uses nothing": (
        content(Image.fromarray(np.full((8, 8), 30_000, np.uint16)), "PNG"),
        "uses only",
    ),
    "nothing to be seen": (content(Image.new("RGBA", (8, 8), (9, 9, 9, 0)), "PNG"), "wholly transparent"),
    "zip": (b"PK\x03\x04" + bytes(30), "a ZIP archive"),
    "gzip": (gzip.compress(JPEG), "a gzip archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(30), "a 7z archive"),
    "RAR": (b"Rar!\x1a\x07\x01\x00" + bytes(30), "a RAR archive"),
    "PDF": (b"%PDF-1.7\n", "a PDF document"),
    "PostScript": (content(two_tone(), "EPS"), "a PostScript drawing"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a drawing"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),
    "film": (b"\0\0\0\x18ftypisom" + bytes(100), "a film"),
    "Matroska": (b"\x1a\x45\xdf\xa3" + bytes(100), "a film"),
    "raw photograph": (b"\0\0\0\x18ftypcrx " + bytes(100), "a raw photograph"),
    "JPEG XL": (b"\xff\x0a" + bytes(100), "JPEG XL"),
    "array": (b"\x93NUMPY\1\0" + bytes(100), "an array of NumPy"),
    "FITS": (b"SIMPLE  =                    T" + bytes(100), "measurements"),
    "AppleDouble": (b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(100), "AppleDouble"),
}

# archives


def zipped(*members, **options):
    """A zip of (name or ZipInfo, content)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return buffer.getvalue()


def tarred(*members, mode="w"):
    """A tar of (name or TarInfo, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, body in members:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return buffer.getvalue()


def special(name, kind, leads_to=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, leads_to
    return member, b""


def zip_link(name, leads_to):
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry, leads_to


def stated(size, kind=tarfile.REGTYPE):
    """The header of a tar member that states a size, and nothing behind it."""
    member = tarfile.TarInfo("large.bin")
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


FINE = ("cat/1.jpg", JPEG)
WHOLE_ZIP, WHOLE_TAR = zipped(FINE, ("cat/2.jpg", JPEG)), tarred(FINE, ("cat/2.jpg", JPEG))
ENCRYPTED = zipped(FINE).replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\1\0")
ENCRYPTED = ENCRYPTED.replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0")
STRANGE = zipped(FINE).replace(b"PK\x03\x04\x14\0\0\0\0\0", b"PK\x03\x04\x14\0\0\0\x63\0")
STRANGE = STRANGE.replace(b"PK\1\2\x14\3\x14\0\0\0\0\0", b"PK\1\2\x14\3\x14\0\0\0\x63\0")
PLACE = WHOLE_ZIP.index(JPEG) + 500
OUT, LINK = "lead out of the folder", "a link or a device"
BAD_ARCHIVES = {
    "zip that climbs": (zipped(FINE, ("../out.jpg", b"x")), OUT),
    "zip that climbs later": (zipped(FINE, ("a/../../out.jpg", b"x")), OUT),
    "zip that climbs backwards": (zipped(FINE, ("..\\out.jpg", b"x")), OUT),
    "zip from the root": (zipped(FINE, ("/tmp/out.jpg", b"x")), OUT),
    "zip from a drive": (zipped(FINE, ("C:\\out.jpg", b"x")), OUT),
    "zip that climbs under a hidden name": (zipped(FINE, ("../.out.jpg", b"x")), OUT),
    "zip with a link": (zipped(FINE, zip_link("link", "/etc")), LINK),
    "zip with a file through a link": (zipped(zip_link("link", "/tmp"), ("link/out.jpg", b"x")), LINK),
    "zip with a name twice": (zipped(FINE, ("cat\\1.jpg", b"x")), "two of its files"),
    "zip with a file that is a folder too": (zipped(("cat", b"x"), FINE), "two of its files"),
    "zip with a name of 300 letters": (zipped((f"{'a' * 300}.jpg", b"x")), "name too long"),
    "zip, cut": (WHOLE_ZIP[:-30], "no archive"),
    "zip, its beginning": (WHOLE_ZIP[:40], "no archive"),
    "zip with a flipped bit": (
        WHOLE_ZIP[:PLACE] + bytes([WHOLE_ZIP[PLACE] ^ 1]) + WHOLE_ZIP[PLACE + 1 :],
        "no archive",
    ),
    "zip with a password": (ENCRYPTED, "no archive"),
    "zip in an unknown method": (STRANGE, "no archive"),
    "zip that explodes": (zipped(("a.bmp", bytes(3 * 10**8)), compression=zipfile.ZIP_DEFLATED), "200 times"),
    "zip with nothing": (zipped(), "no file"),
    "zip with litter only": (zipped(("__MACOSX/x", b"x"), (".DS_Store", b"x")), "no file"),
    "tar that climbs": (tarred(FINE, ("../out.jpg", b"x")), OUT),
    "tar from the root": (tarred(FINE, ("/tmp/out.jpg", b"x")), OUT),
    "tar with a link": (tarred(FINE, special("link", tarfile.SYMTYPE, "/etc")), LINK),
    "tar with a hard link": (tarred(FINE, special("link", tarfile.LNKTYPE, "/etc/hostname")), LINK),
    "tar with a file through a link": (
        tarred(special("link", tarfile.SYMTYPE, ".."), ("link/out.jpg", b"x")),
        LINK,
    ),
    "tar with a pipe": (tarred(FINE, special("pipe", tarfile.FIFOTYPE)), LINK),
    "tar with a device": (tarred(FINE, special("disk", tarfile.BLKTYPE)), LINK),
    "tar with a name twice": (tarred(FINE, FINE), "two of its files"),
    "tar, cut": (WHOLE_TAR[: 512 + 100], "no archive|cut off"),
    "tar, cut between two members": (WHOLE_TAR[: WHOLE_TAR.index(b"cat/2.jpg")], "cut off"),
    "tar with a damaged head": (WHOLE_TAR.replace(b"cat/2.jpg", b"cat/3.jpg"), "cut off|no archive"),
    "tar that states 8 TB": (stated(2**43) + bytes(1024), "more than"),
    "tar with a name of 1 GB": (stated(2**30, tarfile.GNUTYPE_LONGNAME) + bytes(1024), "damaged"),
    "tar.gz, cut": (gzip.compress(WHOLE_TAR)[:-200], "no archive"),
    "tar.gz without its checksum": (gzip.compress(WHOLE_TAR)[:-8] + bytes(8), "no archive"),
    "tar.bz2, cut": (bz2.compress(WHOLE_TAR)[:-100], "no archive|damaged or cut off"),
    "tar.xz, cut": (lzma.compress(WHOLE_TAR)[:-100], "no archive|damaged or cut off"),
    "tar.gz that explodes": (gzip.compress(tarred(("a.bmp", bytes(3 * 10**8)))), "200 times"),
    "tar.gz that goes on for ever": (gzip.compress(WHOLE_TAR + bytes(3 * 10**8)), "behind its end"),
    "gz that explodes": (gzip.compress(bytes(3 * 10**8)), "behind its end"),
    "gz of no tar, cut": (gzip.compress(os.urandom(5000))[:-2000], "no archive"),
    "no archive but a page": (b"<!DOCTYPE html><title>Sign in</title>", "an HTML page"),
    "no archive but nothing": (b"", "empty"),
    "no archive but a picture": (JPEG, "a picture"),
    "no archive but 7z": (b"7z\xbc\xaf\x27\x1c" + bytes(90), "7z"),
}
BIG = {name for name in BAD_ARCHIVES if "explodes" in name or "for ever" in name}

# weights and checkpoints


def saved(thing, **options):
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


class Exploding:
    """Opening it as a pickle would end the process."""

    def __reduce__(self):
        return os._exit, (86,)


def nested(depth):
    """A pickle of lists in lists, in the archive that torch.save writes."""
    return repacked(saved([1]), b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b".")


def repacked(whole, pickled):
    """A file of torch.save with another pickle in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))
    return buffer.getvalue()


def flipped(body, place):
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def tensors(length, text):
    """A file of safetensors with a header of our own."""
    return struct.pack("<Q", length) + text


NET = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
STATE = NET.state_dict()
TORCH, TENSORS = saved(STATE), safetensors.torch.save(STATE)
BAD_WEIGHTS = {
    "empty": (b"", "empty"),
    "page": (b"<html>404</html>", "an HTML page"),
    "text": (b"Not Found", "a text"),
    "pointer of LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "picture": (PNG, "a picture"),
    "gzip": (gzip.compress(TORCH), "gzip"),
    "torch, cut": (TORCH[:-200], "cut off"),
    "torch, its beginning": (TORCH[:100], "cut off"),
    "torch with a flipped bit": (
        flipped(TORCH, TORCH.index(STATE["0.weight"].numpy().tobytes()) + 5),
        "checksum",
    ),
    "torch of old, cut": (saved(STATE, _use_new_zipfile_serialization=False)[:-50], "damaged or cut off"),
    "torch that would run code": (saved({"state_dict": STATE, "x": Exploding()}), "would run code"),
    "torch of old that would run code": (
        saved({"state_dict": STATE, "x": Exploding()}, _use_new_zipfile_serialization=False),
        "would run code",
    ),
    "whole network": (saved(NET), "a whole pickled model"),
    "torch without end in depth": (nested(100_000), "is no checkpoint"),
    "torch with steps that are none": (repacked(TORCH, b"\x80\x02\xfe\xfe."), "is no checkpoint"),
    "torch with an empty pickle": (repacked(TORCH, b""), "is no checkpoint"),
    "zip of something": (zipped(("a.txt", b"x")), "a zip archive with a.txt"),
    "bare pickle": (pickle.dumps({"a": Exploding()}), "a pickle"),
    "safetensors, cut": (TENSORS[:-10], "damaged or cut off"),
    "safetensors with a long header": (tensors(10**7, b'{"a":' + bytes(99)), "cut off"),
    "safetensors with a header that is no JSON": (tensors(40, b"{" + b"x" * 50), "damaged or cut off"),
    "safetensors with places beyond the end": (
        TENSORS.replace(b'"data_offsets":[0,', b'"data_offsets":[9,'),
        "damaged or cut off",
    ),
    "NaN": (saved(STATE | {"0.bias": torch.full((3,), torch.nan)}), "not finite"),
    "infinity": (safetensors.torch.save(STATE | {"0.bias": torch.full((3,), torch.inf)}), "not finite"),
    "variance below zero": (saved(STATE | {"1.running_var": -torch.ones(3)}), "variances below 0"),
    "whole numbers": (saved(STATE | {"0.bias": torch.zeros(3, dtype=torch.int64)}), "another kind of number"),
    "complex numbers": (saved(STATE | {"0.bias": torch.zeros(3) + 0j}), "another kind of number"),
    "sparse": (saved(STATE | {"0.weight": STATE["0.weight"].to_sparse()}), "sparse"),
    "no values": (saved({key: value.to("meta") for key, value in STATE.items()}), "but no values"),
    "other shape": (saved(STATE | {"0.bias": torch.zeros(4)}), "another shape"),
    "one missing": (saved({key: value for key, value in STATE.items() if key != "0.bias"}), "1 missing"),
    "one too many": (saved(STATE | {"surprise": torch.zeros(1)}), "1 extra"),
    "list": (saved([STATE]), "expected names with tensors"),
    "number": (saved(3.5), "expected names with tensors"),
    "nothing": (saved({}), "expected names with tensors"),
    "texts for tensors": (saved(dict.fromkeys(STATE, "x")), "expected names with tensors"),
    "options only": (saved({"args": argparse.Namespace(lr=0.1)}), "expected names with tensors"),
}

NO_CHECKPOINT = "no checkpoint of a training run"


def bad_checkpoints(good):
    """Damaged copies of a checkpoint that ``fit`` wrote, and other things under its name."""
    state = torch.load(io.BytesIO(good), weights_only=True)
    largest = max(state["model"].values(), key=torch.Tensor.numel).numpy().tobytes()
    return {
        "empty": b"",
        "zeros": bytes(len(good)),
        "page": b"<html>404</html>",
        "its beginning": good[:100],
        "its half": good[: len(good) // 2],
        "without its end": good[:-10],
        "flipped bit in a weight": flipped(good, good.index(largest) + 5),
        "flipped bit in the pickle": flipped(good, good.index(b"momentum_buffer") + 3),
        "weights alone": saved(state["model"]),
        "safetensors": TENSORS,
        "whole network": saved(NET),
        "code": saved(state | {"model": Exploding()}),
        "bare pickle": pickle.dumps({"format": 4, "model": Exploding()}),
        "older format": saved(state | {"format": 2}),
        "part missing": saved({key: value for key, value in state.items() if key != "generators"}),
        "part too many": saved(state | {"surprise": 1}),
        "list": saved([state]),
        "picture": PNG,
        "archive": zipped(FINE),
        "gzip": gzip.compress(good),
        "model that is none": saved(state | {"model": 3}),
        "optimizer that is none": saved(state | {"optimizer": "sgd"}),
        "optimizer without groups": saved(state | {"optimizer": {"state": {}, "param_groups": []}}),
        "history that is none": saved(state | {"history": []}),
        "history of another form": saved(state | {"history": {"loss": [1.0]}}),
        "settings that are none": saved(state | {"settings": None}),
        "generators that are none": saved(state | {"generators": [torch.zeros(3, dtype=torch.uint8)]}),
        "generators that are text": saved(state | {"generators": "abc"}),
        "global generators that are none": saved(state | {"global_generators": {}}),
        "epochs that are text": saved(state | {"epochs": "three"}),
        "steps that are text": saved(state | {"steps": "nine"}),
    }
