"""Odd and damaged folders of images, each a pure function of its name."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

Generator = np.random.Generator
Change = Callable[[Path, Generator], object]
FORMATS = ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM")
SUFFIXES = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "TIFF": "tif", "WEBP": "webp", "BMP": "bmp", "PPM": "ppm"}


@dataclass(frozen=True)
class FolderCase:
    """A folder to make.

    Attributes:
        kind: Key of `FILES`, of `FOLDERS`, or of `DAMAGE` with a format behind it.
        seed: Tells cases of one kind apart.
    """

    kind: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.kind}-{self.seed}"

    def write(self, root: Path) -> Path:
        """Write two classes of three sound images, and what is odd among them."""
        generator = np.random.default_rng([self.seed, *str(self).encode()])
        for name in ("cat", "dog"):
            (root / name).mkdir(parents=True)
            for number in range(3):
                (root / name / f"{number}.png").write_bytes(encoded("PNG", pixels(generator)))
        kind, _, form = self.kind.partition(" of ")
        if kind in DAMAGE:
            content = DAMAGE[kind](bytearray(encoded(form, pixels(generator))), generator)
            (root / "cat" / f"odd.{SUFFIXES[form]}").write_bytes(content)
        elif self.kind in FILES:
            name, content = FILES[self.kind](generator)
            (root / "cat" / name).write_bytes(content)
        else:
            FOLDERS[self.kind](root, generator)
        return root


def cases() -> list[FolderCase]:
    """Return all cases, in a fixed order."""
    damaged = [FolderCase(f"{kind} of {form}") for form in FORMATS for kind in DAMAGE]
    return [*damaged, *map(FolderCase, FILES), *map(FolderCase, FOLDERS)]


def pixels(generator: Generator, side: int = 40) -> Image.Image:
    """Return an image of noise."""
    return Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=np.uint8))


def encoded(form: str, image: Image.Image, **options: object) -> bytes:
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _truncated(content: bytearray, generator: Generator) -> bytes:
    return bytes(content[: int(generator.integers(10, len(content)))])


def _flipped_head(content: bytearray, generator: Generator) -> bytes:
    for place in generator.integers(0, 60, 3):
        content[place] ^= int(generator.integers(1, 256))
    return bytes(content)


def _flipped(content: bytearray, generator: Generator) -> bytes:
    for place in generator.integers(0, len(content), 20):
        content[place] ^= int(generator.integers(1, 256))
    return bytes(content)


def _text_inside(content: bytearray, generator: Generator) -> bytes:
    content[len(content) // 2 : len(content) // 2 + 300] = b"<p>502 Bad Gateway</p>" * 13
    return bytes(content)


ROTATED = b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0"

DAMAGE: dict[str, Callable[[bytearray, Generator], bytes]] = {
    "truncated": _truncated,
    "flipped head": _flipped_head,
    "flipped bytes": _flipped,
    "text inside": _text_inside,
}


def _announced(width: int, height: int, bits: int = 1) -> bytes:
    """Return a PNG file of a few bytes whose header announces any size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _mode(mode: str, form: str) -> Callable[[Generator], tuple[str, bytes]]:
    def make(generator: Generator) -> tuple[str, bytes]:
        return f"odd.{SUFFIXES[form]}", encoded(form, pixels(generator).convert(mode))

    return make


def _sized(width: int, height: int) -> Callable[[Generator], tuple[str, bytes]]:
    return lambda generator: ("odd.png", encoded("PNG", Image.new("RGB", (width, height), "green")))


def _sixteen_bits(form: str) -> Callable[[Generator], tuple[str, bytes]]:
    def make(generator: Generator) -> tuple[str, bytes]:
        grey = generator.integers(0, 2**16, (40, 40), dtype=np.uint16)
        return f"odd.{SUFFIXES[form]}", encoded(form, Image.fromarray(grey))

    return make


def _animated(form: str) -> Callable[[Generator], tuple[str, bytes]]:
    def make(generator: Generator) -> tuple[str, bytes]:
        frames = [pixels(generator) for _ in range(4)]
        content = encoded(form, frames[0], save_all=True, append_images=frames[1:])
        return f"odd.{SUFFIXES[form]}", content

    return make


def _inflated_text(generator: Generator) -> tuple[str, bytes]:
    """A PNG file with a compressed comment of 100 MB."""
    sound = encoded("PNG", pixels(generator))
    content = b"Comment\0\0" + zlib.compress(bytes(100 * 2**20), 9)
    checksum = zlib.crc32(b"zTXt" + content)
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", checksum)
    return "odd.png", sound[:33] + chunk + sound[33:]


FILES: dict[str, Callable[[Generator], tuple[str, bytes]]] = {
    "nothing odd": lambda g: ("3.png", encoded("PNG", pixels(g))),
    "empty file": lambda g: ("odd.png", b""),
    "one byte": lambda g: ("odd.jpg", b"\xff"),
    "text": lambda g: ("odd.png", b"404 not found\n"),
    "web page": lambda g: ("odd.jpg", b"<!DOCTYPE html><p>Sign in</p>"),
    "random bytes": lambda g: ("odd.jpg", g.bytes(3000)),
    "git-LFS pointer": lambda g: ("odd.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
    "SVG": lambda g: ("odd.png", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    "PostScript": lambda g: (
        "odd.png",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\nshowpage\n",
    ),
    "JPEG called PNG": lambda g: ("odd.png", encoded("JPEG", pixels(g))),
    "PNG called JPEG": lambda g: ("odd.jpg", encoded("PNG", pixels(g))),
    "upper case suffix": lambda g: ("ODD.JPG", encoded("JPEG", pixels(g))),
    "no suffix": lambda g: ("odd", encoded("JPEG", pixels(g))),
    "two suffixes": lambda g: ("odd.jpg.part", encoded("JPEG", pixels(g))),
    "hidden": lambda g: (".odd.png", b"hidden"),
    "resource fork": lambda g: ("._0.png", b"\0\5\x16\7"),
    "thumbnails": lambda g: ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
    "long name": lambda g: ("o" * 251 + ".png", encoded("PNG", pixels(g))),
    "line break in the name": lambda g: ("a\nb\x1b[31m.png", b"no image"),
    "name with spaces": lambda g: (" odd, 'image' .png", encoded("PNG", pixels(g))),
    "name with wildcards": lambda g: ("[o]*d?.png", encoded("PNG", pixels(g))),
    "emoji": lambda g: ("\U0001f426.png", encoded("PNG", pixels(g))),
    "CMYK": _mode("CMYK", "JPEG"),
    "CMYK TIFF": _mode("CMYK", "TIFF"),
    "grey": _mode("L", "JPEG"),
    "black and white": _mode("1", "PNG"),
    "palette": _mode("P", "PNG"),
    "grey and alpha": _mode("LA", "PNG"),
    "alpha": _mode("RGBA", "PNG"),
    "YCbCr": _mode("YCbCr", "TIFF"),
    "LAB": _mode("LAB", "TIFF"),
    "32 bits": _mode("I", "TIFF"),
    "floating point": _mode("F", "TIFF"),
    "16 bits": _sixteen_bits("PNG"),
    "16 bits TIFF": _sixteen_bits("TIFF"),
    "animated GIF": _animated("GIF"),
    "animated WebP": _animated("WEBP"),
    "animated PNG": _animated("PNG"),
    "many pages": _animated("TIFF"),
    "rotated by EXIF": lambda g: ("odd.jpg", encoded("JPEG", pixels(g), exif=ROTATED)),
    "broken EXIF": lambda g: ("odd.jpg", encoded("JPEG", pixels(g), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(9))),
    "broken colour profile": lambda g: ("odd.jpg", encoded("JPEG", pixels(g), icc_profile=b"no profile")),
    "one pixel": _sized(1, 1),
    "a line": _sized(1, 400),
    "a long line": _sized(20_000, 1),
    "other size": _sized(80, 60),
    "large": _sized(2000, 1500),
    "announced 100 megapixels": lambda g: ("odd.png", _announced(10_000, 10_000)),
    "announced 170 megapixels": lambda g: ("odd.png", _announced(13_000, 13_000)),
    "announced 4 gigapixels": lambda g: ("odd.png", _announced(2**16, 2**16, 8)),
    "announced 2**62 pixels": lambda g: ("odd.png", _announced(2**31 - 1, 2**31 - 1, 16)),
    "announced no pixels": lambda g: ("odd.png", _announced(0, 0)),
    "really 150 megapixels": lambda g: ("odd.png", encoded("PNG", Image.new("1", (15_000, 10_000)))),
    "inflated text": _inflated_text,
}


def _emptied(root: Path, generator: Generator) -> None:
    for file in (root / "cat").iterdir():
        file.unlink()


def _removed(root: Path) -> None:
    for file in (root / "cat").iterdir():
        file.unlink()
    (root / "cat").rmdir()


def _loose(root: Path, generator: Generator) -> None:
    for name in ("cat", "dog"):
        for file in (root / name).iterdir():
            file.rename(root / f"{name}{file.name}")
        (root / name).rmdir()


def _splits(root: Path, generator: Generator) -> None:
    (root / "cat").rename(root / "train")
    (root / "dog").rename(root / "val")


def _nested(root: Path, generator: Generator) -> None:
    deep = root / "cat" / "/".join(["deeper"] * 40)
    deep.mkdir(parents=True)
    (deep / "odd.png").write_bytes(encoded("PNG", pixels(generator)))


def _many_classes(root: Path, generator: Generator) -> None:
    content = encoded("PNG", pixels(generator))
    for number in range(300):
        (root / f"class{number}").mkdir()
        (root / f"class{number}" / "0.png").write_bytes(content)


def _web_of_links(root: Path, generator: Generator) -> None:
    """Folders that all link to each other: without care, every way through them is followed."""
    for a in range(9):
        (root / "cat" / f"n{a}").mkdir()
        for b in range(9):
            (root / "cat" / f"n{a}" / f"l{b}").symlink_to(Path("..") / f"n{b}")


def _file(name: bytes, content: bytes | None = None) -> Change:
    def make(root: Path, generator: Generator) -> None:
        path = root / "cat" / os.fsdecode(name)
        path.write_bytes(encoded("PNG", pixels(generator)) if content is None else content)

    return make


FOLDERS: dict[str, Change] = {
    "empty class": _emptied,
    "a class of hidden files": lambda r, g: [f.rename(f.with_name(f".{f.name}")) for f in (r / "cat").iterdir()],
    "one class only": lambda r, g: _removed(r),
    "no class": _loose,
    "splits": _splits,
    "one image in a class": lambda r, g: [(r / "cat" / f"{number}.png").unlink() for number in (1, 2)],
    "nested": _nested,
    "nested in an empty class": lambda r, g: [(r / "cow" / "calf").mkdir(parents=True)],
    "many classes": _many_classes,
    "a hidden class": lambda r, g: (r / ".cow").mkdir(),
    "a directory called x.png": lambda r, g: (r / "cat" / "x.png").mkdir(),
    "a class called cow.png": lambda r, g: (r / "cow.png").mkdir(),
    "link to itself": lambda r, g: (r / "cat" / "loop.png").symlink_to("loop.png"),
    "broken link": lambda r, g: (r / "cat" / "gone.png").symlink_to("nowhere.png"),
    "broken link of a class": lambda r, g: (r / "cow").symlink_to("nowhere"),
    "link to the folder above": lambda r, g: (r / "cat" / "up").symlink_to(".."),
    "link to another class": lambda r, g: (r / "cow").symlink_to("dog"),
    "link to an image": lambda r, g: (r / "cat" / "link.png").symlink_to("0.png"),
    "web of links": _web_of_links,
    "fifo": lambda r, g: os.mkfifo(r / "cat" / "pipe.png"),
    "name that is not UTF-8": _file(b"\xff\xfe.png"),
    "damaged image whose name is not UTF-8": _file(b"\xff\xfe.png", b"no image"),
    "class name that is not UTF-8": lambda r, g: (r / "cat").rename(r / os.fsdecode(b"\xffcat")),
    "class name with a line break": lambda r, g: (r / "cat").rename(r / "c\nat\x1b[31m"),
    "class name of a comma": lambda r, g: (r / "cat").rename(r / "a,b;'c\""),
    "a file among the classes": lambda r, g: (r / "labels.csv").write_text("cat,1"),
    "all images damaged": lambda r, g: [f.write_bytes(b"x") for n in ("cat", "dog") for f in (r / n).iterdir()],
    "all images of a class damaged": lambda r, g: [f.write_bytes(b"x") for f in (r / "cat").iterdir()],
    "the first image damaged": lambda r, g: (r / "cat" / "0.png").write_bytes(b"x"),
    "the last image damaged": lambda r, g: (r / "dog" / "2.png").write_bytes(b"x"),
    "every image another size": lambda r, g: [
        f.write_bytes(encoded("PNG", pixels(g, 20 + 3 * n))) for n, f in enumerate(sorted(r.rglob("*.png")))
    ],
    "a file": lambda r, g: [f.unlink() for f in r.rglob("*.png")] + [(r / n).rmdir() for n in ("cat", "dog")],
}
