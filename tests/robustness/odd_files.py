"""Checkpoint files made as a whole: safetensors headers, records of ours, zip archives, pickles."""

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from autola_analysis.checkpoints.native import HASH_KEY, RECORD_KEY

from .odd_contents import Unknown
from .sound_files import OWN, State, state

Make = Callable[[Path, Path, np.random.Generator], object]
"""(folder of sound files, file to write, random numbers)"""


def _safetensors(bases: Path, path: Path, header: object, body: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def _ours(change: Callable[[State, dict[str, str]], None]) -> Make:
    """Write a file of ours with tensors or metadata changed."""

    def make(bases: Path, path: Path, generator: np.random.Generator) -> None:
        from safetensors import safe_open

        with safe_open(str(bases / OWN[0]), "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata())
        change(tensors, metadata)
        save_file(tensors, path, metadata)

    return make


def _record(**changes: object) -> Callable[[State, dict[str, str]], None]:
    """Change the record of a file of ours, and the hash so that it fits."""
    from autola_analysis.checkpoints.native import content_hash

    def change(tensors: State, metadata: dict[str, str]) -> None:
        values = {**json.loads(metadata[RECORD_KEY]), **changes}
        metadata[RECORD_KEY] = json.dumps(values)
        metadata[HASH_KEY] = content_hash(tensors, metadata[RECORD_KEY])

    return change


def _spec(**changes: object) -> Callable[[State, dict[str, str]], None]:
    def change(tensors: State, metadata: dict[str, str]) -> None:
        spec = {**json.loads(metadata[RECORD_KEY])["spec"], **changes}
        _record(spec=spec)(tensors, metadata)

    return change


def _nameless(tensors: State, metadata: dict[str, str]) -> None:
    spec = {**json.loads(metadata[RECORD_KEY])["spec"], "num_classes": 10**12}
    _record(classes=None, spec=spec)(tensors, metadata)


def _set(key: str, value: str) -> Callable[[State, dict[str, str]], None]:
    def change(tensors: State, metadata: dict[str, str]) -> None:
        metadata[key] = value

    return change


def _header(header: object, body: bytes = b"") -> Make:
    return lambda bases, path, generator: _safetensors(bases, path, header, body)


def _pickled(content: bytes) -> Make:
    return lambda bases, path, generator: path.write_bytes(content)


def _repacked(change: Callable[[str, bytes], tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Make:
    """Write the records of a sound zip archive anew, changed."""

    def make(bases: Path, path: Path, generator: np.random.Generator) -> None:
        with zipfile.ZipFile(bases / OWN[1]) as sound, zipfile.ZipFile(path, "w", compression) as archive:
            for name in sound.namelist():
                new, content = change(name, sound.read(name))
                if new:
                    archive.writestr(new, content)

    return make


def _bomb(bases: Path, path: Path, generator: np.random.Generator) -> None:
    """Half a gigabyte of zeros in half a megabyte, as the last storage of a checkpoint."""
    with zipfile.ZipFile(bases / OWN[1]) as sound, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        last = [name for name in sound.namelist() if "/data/" in name][-1]
        for name in sound.namelist():
            if name != last:
                archive.writestr(name, sound.read(name))
        with archive.open(last, "w", force_zip64=True) as file:
            for _ in range(512):
                file.write(bytes(2**20))


def _unreadable_names(bases: Path, path: Path, generator: np.random.Generator) -> None:
    """A name in the archive's directory that is announced as UTF-8 and is not."""
    _repacked(lambda name, content: (name.replace("zip/", "zi\u00fc/"), content))(bases, path, generator)
    content = path.read_bytes()
    directory = content.index(b"PK\x01\x02")
    path.write_bytes(content[:directory] + content[directory:].replace("zi\u00fc".encode(), b"zi\xff\xff"))


def _without_storage(bases: Path, path: Path, generator: np.random.Generator) -> None:
    """A legacy pickle that names a storage which does not follow."""
    content = (bases / OWN[2]).read_bytes()
    key = pickle.loads(content[content.rindex(b"\x80\x02]") :])[0].encode()
    changed = bytes([key[0] ^ 1]) + key[1:]
    first = content.index(key)
    path.write_bytes(content[:first] + changed + content[first + len(key) :])


def _storage_size(factor: int) -> Callable[[str, bytes], tuple[str, bytes]]:
    """Let the pickle announce more values per storage than the records have."""

    def change(name: str, content: bytes) -> tuple[str, bytes]:
        if name.endswith("data.pkl"):
            one = pickle.dumps(576, 2)[2:-1]  # values of layer1.0.conv1.weight
            many = pickle.dumps(576 * factor, 2)[2:-1]
            assert one in content
            content = content.replace(one, many)
        return name, content

    return change


def _emptied(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content[: len(content) // 2] if "/data/" in name else content


def _dropped(name: str, content: bytes) -> tuple[str, bytes]:
    return "" if name.endswith("/data/3") else name, content


WHOLE: dict[str, Make] = {
    "header that is no JSON": _header(b"{" + b"x" * 40),
    "header that is a list": _header([1, 2]),
    "header that is empty": _header({}),
    "header that is not UTF-8": _header(b'{"\xff\xfe": 1}'),
    "header of 10,000 brackets": _header(b'{"a":' * 10_000),
    "header cut off": lambda b, p, g: p.write_bytes(struct.pack("<Q", 10**6) + b"{" + bytes(100)),
    "header of 2**63 bytes": lambda b, p, g: p.write_bytes(struct.pack("<Q", 2**63) + b"{" + bytes(100)),
    "tensor beyond the end": _header({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, bytes(64)),
    "tensor of negative size": _header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
    "tensor of overflowing size": _header(
        {"a": {"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [0, 0]}}, bytes(4)
    ),
    "tensor of unknown type": _header({"a": {"dtype": "Q7", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "overlapping tensors": _header(
        {k: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for k in ("a", "b")}, bytes(4)
    ),
    "metadata of numbers": _header({"__metadata__": {"a": 1}}),
    "no tensors in safetensors": lambda b, p, g: save_file({}, p),
    "other tensors in safetensors": lambda b, p, g: save_file({"a": torch.zeros(3)}, p),
    "state dict in safetensors": lambda b, p, g: save_file(state(), p),
    "hash of another": _ours(_set(HASH_KEY, "0" * 64)),
    "record that is no JSON": _ours(_set(RECORD_KEY, "{")),
    "record that is a list": _ours(lambda t, m: _rehash(t, m, "[]")),
    "record that is a number": _ours(lambda t, m: _rehash(t, m, "7")),
    "record that is nested": _ours(lambda t, m: _rehash(t, m, "[" * 100_000)),
    "record of the future": _ours(_record(format_version=99)),
    "record with a version in words": _ours(_record(format_version="one")),
    "record without preprocessing fields": _ours(_record(preprocessing={"sides": 3})),
    "record with preprocessing of a number": _ours(_record(preprocessing=4)),
    "record with a wrong mean": _ours(_record(preprocessing={"mean": "grey", "std": [0, 0]})),
    "record with negative crop": _ours(_record(preprocessing={"crop": -4, "resize": 0})),
    "record with classes of a number": _ours(_record(classes=5)),
    "record with two classes": _ours(_record(classes=["a", "b"])),
    "record with metadata of a text": _ours(_record(metadata="fine")),
    "record with source of a number": _ours(_record(source=7)),
    "record with an unknown source": _ours(_record(source="folder:/nowhere")),
    "record with a folder for a source": _ours(_record(source="folder:/")),
    "record with escapes": _ours(
        _record(classes=[f"\x1b]52;c;x\x07\n{n}" for n in range(10)], metadata={"\r": "\x1b"})
    ),
    "record with an integer of 400 digits": _ours(_record(preprocessing={"mean": [10**400] * 3, "std": [1, 1, 1]})),
    "record with a mean of 1e300": _ours(_record(preprocessing={"mean": [1e300] * 3, "std": [1, 1, 1]})),
    "record with a std of 1e-320": _ours(_record(preprocessing={"mean": [0, 0, 0], "std": [1e-320] * 3})),
    "record with a crop of 20,000": _ours(_record(preprocessing={"crop": 20_000})),
    "record with a crop of 10**6": _ours(_record(preprocessing={"crop": 10**6})),
    "record with a resize of 10**9": _ours(_record(preprocessing={"resize": 10**9})),
    "record with a null character": _ours(_record(source="a\0b")),
    "spec of a genotype in a device": _ours(_spec(attention="hoga", attention_options={"genotype": "/dev/zero"})),
    "spec of a genotype in a file": _ours(_spec(attention="hoga", attention_options={"genotype": "genotype.json"})),
    "spec of a reduction of 10**18": _ours(_spec(attention_options={"reduction": 10**18})),
    "spec of a text": _ours(_record(spec="resnet20")),
    "spec of nothing": _ours(_record(spec=None)),
    "spec of an unknown backbone": _ours(_spec(backbone="resnet21")),
    "spec of a list for a backbone": _ours(_spec(backbone=["resnet20"])),
    "spec of an unknown attention": _ours(_spec(attention="hogga")),
    "spec of a number for attention": _ours(_spec(attention=3)),
    "spec of an unknown option": _ours(_spec(options={"depth": 3})),
    "spec of an endless width": _ours(_spec(options={"width": 2**24})),
    "spec of a negative width": _ours(_spec(options={"width": -8})),
    "spec of a width in words": _ours(_spec(options={"width": "eight"})),
    "spec of options in a list": _ours(_spec(options=[1])),
    "spec of unknown attention options": _ours(_spec(attention_options={"radius": 3})),
    "spec of reduction zero": _ours(_spec(attention_options={"reduction": 0})),
    "spec of a genotype": _ours(_spec(attention="hoga", attention_options={"genotype": [["X", 9]]})),
    "spec of endless classes": _ours(_spec(num_classes=10**12)),
    "spec of endless classes without names": _ours(_nameless),
    "spec of negative classes": _ours(_spec(num_classes=-1)),
    "spec of classes in words": _ours(_spec(num_classes="ten")),
    "spec of another network": _ours(_spec(backbone="resnet152", options={})),
    "compressed archive": _repacked(lambda n, c: (n, c), zipfile.ZIP_DEFLATED),
    "archive of other names": _repacked(lambda n, c: (n.replace("/", "-"), c)),
    "archive with a slash in front": _repacked(lambda n, c: (f"/{n}", c)),
    "archive with paths upwards": _repacked(lambda n, c: (f"../{n}", c)),
    "archive without a pickle": _repacked(lambda n, c: ("" if n.endswith("data.pkl") else n, c)),
    "archive without a storage": _repacked(_dropped),
    "archive of halved storages": _repacked(_emptied),
    "archive of storages announced larger": _repacked(_storage_size(50)),
    "archive of storages announced huge": _repacked(_storage_size(10**6)),
    "archive of an empty pickle": _repacked(lambda n, c: (n, b"" if n.endswith("data.pkl") else c)),
    "archive of other byte order": _repacked(lambda n, c: (n, b"huge" if n.endswith("byteorder") else c)),
    "archive of another version": _repacked(lambda n, c: (n, b"999\n" if n.endswith("version") else c)),
    "archive of TorchScript": _repacked(lambda n, c: (n.replace("byteorder", "constants.pkl"), c)),
    "archive of nothing": lambda b, p, g: zipfile.ZipFile(p, "w").close(),
    "archive bomb": _bomb,
    "archive of unreadable names": _unreadable_names,
    "legacy pickle without a storage": _without_storage,
    "pickle that runs code": _pickled(pickle.dumps(Unknown(), 2)),
    "pickle of system": _pickled(b"\x80\x02cos\nsystem\nU\x04true\x85R."),
    "pickle of plain numbers": _pickled(pickle.dumps({"a": 1}, 2)),
    "pickle that never stops": _pickled(b"\x80\x02" + b"]" * 100_000),
    "pickle of nested lists": _pickled(b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b"."),
    "pickle of a huge text": _pickled(b"\x80\x02X" + struct.pack("<I", 2**31 - 1) + b"abc"),
    "pickle of a huge number": _pickled(b"\x80\x02\x8b" + struct.pack("<I", 2**31 - 1) + b"abc"),
    "pickle of a missing memo": _pickled(b"\x80\x02h\x07."),
    "pickle of an empty stack": _pickled(b"\x80\x02."),
    "an empty file": lambda b, p, g: p.write_bytes(b""),
    "one byte": lambda b, p, g: p.write_bytes(b"\x80"),
    "random bytes": lambda b, p, g: p.write_bytes(g.bytes(5000)),
    "zeros": lambda b, p, g: p.write_bytes(bytes(5000)),
    "text": lambda b, p, g: p.write_text("these are my weights\n"),
    "a web page": lambda b, p, g: p.write_text("<!DOCTYPE html><p>Sign in</p>"),
    "a directory": lambda b, p, g: p.mkdir(),
    "no file": lambda b, p, g: None,
    "a link to itself": lambda b, p, g: p.symlink_to(p.name),
    "a broken link": lambda b, p, g: p.symlink_to("gone"),
}


def _rehash(tensors: State, metadata: dict[str, str], record: str) -> None:
    from autola_analysis.checkpoints.native import content_hash

    metadata[RECORD_KEY] = record
    metadata[HASH_KEY] = content_hash(tensors, record)
