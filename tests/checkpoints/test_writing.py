import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from autola_analysis.attention import RELEASED, Genotype, list_attentions
from autola_analysis.backbones import ModelSpec, create_model
from autola_analysis.checkpoints import inspect_checkpoint, load_model, save_model
from autola_analysis.checkpoints.native import HASH_KEY, RECORD_KEY, content_hash
from autola_analysis.core.errors import CheckpointError, OptionError
from autola_analysis.data.preprocessing import Preprocessing

from .helpers import logits, randomise

SPEC = ModelSpec("resnet20", num_classes=10, options={"width": 4})
CLASSES = tuple("abcdefghij")


@pytest.mark.parametrize("attention", list_attentions())
@pytest.mark.parametrize(
    ("backbone", "options"),
    [("resnet20", {"shortcut": "A"}), ("resnet18", {"width": 16}), ("resnet50", {"inner_width": 16})],
)
def test_every_network_comes_back_with_equal_logits(tmp_path: Path, backbone: str, options, attention: str) -> None:
    spec = ModelSpec(backbone, attention, 4, options)
    model = randomise(spec.build())
    loaded = load_model(save_model(tmp_path / "model.safetensors", model, spec))
    assert loaded.spec == spec
    assert loaded.warnings == ()
    assert torch.equal(logits(loaded.model, 32, 1), logits(model, 32, 1))


def test_everything_that_is_recorded_comes_back(tmp_path: Path, tiny) -> None:
    preprocessing = Preprocessing(resize=36, crop=32, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    path = save_model(
        tmp_path / "folder" / "model.safetensors",
        tiny,
        SPEC,
        classes=CLASSES,
        preprocessing=preprocessing,
        source="cluttered-digits",
        recipe={"name": "demo", "epochs": 8},
        seed=3,
        metrics={"top1": 0.95},
    )
    loaded = load_model(path)
    assert (loaded.classes, loaded.preprocessing, loaded.source) == (CLASSES, preprocessing, "cluttered-digits")
    assert loaded.metadata == {"recipe": {"name": "demo", "epochs": 8}, "seed": 3, "metrics": {"top1": 0.95}}


@pytest.mark.parametrize("form", ["object", "pairs", "file"])
def test_another_genotype_is_recorded_in_every_form(tmp_path: Path, form: str) -> None:
    genotype = Genotype.random(1)
    genotype.to_json(tmp_path / "genotype.json")
    given = {"object": genotype, "pairs": genotype.to_pairs(), "file": str(tmp_path / "genotype.json")}[form]
    spec = ModelSpec("resnet20", "hoga", 10, {}, {"genotype": given})
    model = randomise(spec.build())
    path = save_model(tmp_path / "model.safetensors", model, spec)
    (tmp_path / "genotype.json").unlink()
    loaded = load_model(path)
    assert loaded.spec.attention_options == {"genotype": genotype.to_pairs()}
    assert torch.equal(logits(loaded.model), logits(model))
    assert load_model(path, genotype=genotype).spec == loaded.spec
    with pytest.raises(CheckpointError, match="records another genotype"):
        load_model(path, genotype=RELEASED)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_halves_the_file_and_keeps_the_rounded_values(tmp_path: Path, tiny, dtype) -> None:
    whole = save_model(tmp_path / "whole.safetensors", tiny, SPEC)
    half = save_model(tmp_path / "half.safetensors", tiny, SPEC, dtype=dtype)
    assert load_file(half)["conv1.weight"].dtype is dtype
    assert half.stat().st_size < whole.stat().st_size
    own, found = tiny.state_dict(), load_model(half).model.state_dict()
    assert all(torch.equal(found[n], t.to(dtype).to(t.dtype)) for n, t in own.items() if t.is_floating_point())


def test_value_too_large_for_half_precision_is_refused_and_no_file_is_left(tmp_path: Path) -> None:
    model = create_model("resnet20", "none", 10, width=4)
    model.bn1.running_var.fill_(1e6)
    with pytest.raises(CheckpointError, match=r"infinite values in bn1\.running_var"):
        save_model(tmp_path / "model.safetensors", model, SPEC, dtype=torch.float16)
    assert list(tmp_path.iterdir()) == []


def rewritten(path: Path, change) -> Path:
    """Write a file anew after `change` edited its tensors and metadata."""
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    change(tensors, metadata)
    save_file(tensors, path, metadata)
    return path


def nudge_weight(tensors, metadata) -> None:
    tensors["fc.bias"][3] += 1e-3


def swap_tensors(tensors, metadata) -> None:
    tensors["bn1.weight"], tensors["bn1.bias"] = tensors["bn1.bias"], tensors["bn1.weight"]


def rename_class(tensors, metadata) -> None:
    metadata[RECORD_KEY] = metadata[RECORD_KEY].replace('"a"', '"z"')


def drop_hash(tensors, metadata) -> None:
    del metadata[HASH_KEY]


@pytest.mark.parametrize("change", [nudge_weight, swap_tensors, rename_class, drop_hash])
def test_tampered_content_is_noticed(tmp_path: Path, tiny, change) -> None:
    path = save_model(tmp_path / "model.safetensors", tiny, SPEC, classes=CLASSES)
    with pytest.raises(CheckpointError, match="was changed after it was written"):
        load_model(rewritten(path, change))


@pytest.mark.parametrize(
    ("values", "complaint"), [({"format_version": 99}, "format version 99"), ({"format_version": 1}, "incomplete")]
)
def test_newer_or_incomplete_record_is_refused(tmp_path: Path, tiny, values, complaint: str) -> None:
    def change(tensors, metadata) -> None:
        metadata[RECORD_KEY] = json.dumps(values)
        metadata[HASH_KEY] = content_hash(tensors, metadata[RECORD_KEY])

    path = save_model(tmp_path / "model.safetensors", tiny, SPEC)
    with pytest.raises(CheckpointError, match=complaint):
        load_model(rewritten(path, change))


def test_our_own_file_is_read_strictly(tmp_path: Path, tiny) -> None:
    def change(tensors, metadata) -> None:
        del tensors["fc.bias"]
        metadata[HASH_KEY] = content_hash(tensors, metadata[RECORD_KEY])

    path = save_model(tmp_path / "model.safetensors", tiny, SPEC)
    with pytest.raises(CheckpointError, match=r"not in it: fc\.bias"):
        load_model(rewritten(path, change))


def test_arch_that_contradicts_the_record_is_refused(tmp_path: Path, tiny) -> None:
    path = save_model(tmp_path / "model.safetensors", tiny, SPEC)
    assert load_model(path, arch="resnet20").spec == SPEC
    with pytest.raises(CheckpointError, match="records that it is a resnet20, not resnet32"):
        load_model(path, arch="resnet32")


@pytest.mark.parametrize(
    "spec", [ModelSpec("resnet20", num_classes=10), ModelSpec("resnet20", "se", 10, {"width": 4})], ids=["width", "se"]
)
def test_spec_that_does_not_describe_the_model_is_refused(tmp_path: Path, tiny, spec: ModelSpec) -> None:
    with pytest.raises(OptionError, match="spec does not describe the model"):
        save_model(tmp_path / "model.safetensors", tiny, spec)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"classes": ["a", "b"]}, "2 class names were given for a network with 10 classes"),
        ({"metrics": {"top1": torch.tensor(1.0)}}, "not JSON"),
        ({"metrics": {"loss": float("nan")}}, "not JSON"),
        ({"dtype": torch.int8}, "floating-point format"),
    ],
)
def test_what_cannot_be_recorded_is_refused(tmp_path: Path, tiny, options, complaint: str) -> None:
    with pytest.raises(OptionError, match=complaint):
        save_model(tmp_path / "model.safetensors", tiny, SPEC, **options)
    assert list(tmp_path.iterdir()) == []


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, tiny, monkeypatch) -> None:
    path = save_model(tmp_path / "model.safetensors", tiny, SPEC)
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(path, tiny, SPEC, seed=1)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_saving_leaves_the_model_as_it_was(tmp_path: Path, tiny) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    tiny.train()
    save_model(tmp_path / "model.safetensors", tiny, SPEC, dtype=torch.float16)
    assert tiny.training
    tiny.eval()
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny.state_dict().items())


ESCAPES = "\x1b]0;title\x07\x1b[2K\rclasses  ten good ones\nsource  cifar10\u202e"


def recorded(**changes: object):
    """Change the record of a file, and the hash so that it fits."""

    def change(tensors, metadata) -> None:
        values = {**json.loads(metadata[RECORD_KEY]), **changes}
        metadata[RECORD_KEY] = json.dumps(values)
        metadata[HASH_KEY] = content_hash(tensors, metadata[RECORD_KEY])

    return change


def test_foreign_texts_of_a_record_are_shown_as_text(tmp_path: Path, tiny) -> None:
    path = save_model(tmp_path / "model.safetensors", tiny, SPEC, classes=CLASSES)
    names = [f"{ESCAPES}{number}" for number in range(len(CLASSES))]
    metadata = {ESCAPES: [ESCAPES, {"a": ESCAPES}]}
    rewritten(path, recorded(classes=names, source=ESCAPES.replace(":", ""), metadata=metadata))
    text = inspect_checkpoint(path).to_text()
    assert all(line.isprintable() for line in text.split("\n"))
    assert r"\x1b]0;title\x07" in text
    assert not any(line.startswith("source  cifar10") for line in text.split("\n"))
    loaded = load_model(path)
    ((key, (text, table)),) = loaded.metadata.items()
    assert all(word.isprintable() for word in (*loaded.classes, loaded.source, key, text, *table.values()))


@pytest.mark.parametrize("where", ["pipe", "file"])
def test_a_record_does_not_decide_which_file_is_read(tmp_path: Path, tiny, where: str, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = save_model("model.safetensors", tiny, SPEC, classes=CLASSES)
    if where == "pipe":
        os.mkfifo("genotype.json")
    else:
        Path("genotype.json").write_text(json.dumps(RELEASED.to_pairs()))
    spec = {**SPEC.to_dict(), "attention": "hoga", "attention_options": {"genotype": "genotype.json"}}
    rewritten(path, recorded(spec=spec))
    with pytest.raises(CheckpointError, match=r"genotype is 'genotype\.json', not of the kind list"):
        load_model(path)


@pytest.mark.parametrize("source", ["folder:/home/ann/pets", "imagenet:/data"])
def test_a_place_is_no_recorded_source(tmp_path: Path, tiny, source: str) -> None:
    with pytest.raises(OptionError, match="source is the name of public data"):
        save_model(tmp_path / "model.safetensors", tiny, SPEC, source=source)
    path = save_model(tmp_path / "model.safetensors", tiny, SPEC)
    rewritten(path, recorded(source=source))
    with pytest.raises(CheckpointError, match="a place on somebody's machine"):
        load_model(path)


def preprocessed(**values: object) -> dict[str, object]:
    return {"preprocessing": values}


def of_network(**values: object) -> dict[str, object]:
    return {"spec": {**SPEC.to_dict(), **values}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (preprocessed(resize=10**9), "resize of a preprocessing is from 1 to 8192 pixels"),
        (preprocessed(crop=20_000), "crop of a preprocessing is from 1 to 8192 pixels"),
        (preprocessed(mean=[10**400] * 3, std=[1, 1, 1]), "integer of 1329 bits"),
        (preprocessed(mean=[1e300] * 3, std=[1, 1, 1]), "mean of a preprocessing"),
        (preprocessed(mean=[0, 0, 0], std=[1e-300] * 3), "std of a preprocessing"),
        (of_network(num_classes=10**9), "num_classes is 1000000000"),
        (of_network(num_classes=-1), "num_classes is -1"),
        (of_network(options={"width": 10**12}), "options: 'width' is 1000000000000"),
        (of_network(attention="se", attention_options={"reduction": -1e12}), "attention_options: 'reduction' is -1"),
        (of_network(options=[1]), "options is"),
        ({"classes": [1] * 10}, "10 classes do not name the 10 outputs"),
        ({"source": 3}, "source is 3, not of the kind str"),
        ({"metadata": ["seed"]}, "metadata is"),
    ],
)
def test_values_of_a_record_have_kinds_and_bounds(tmp_path: Path, tiny, changes: dict, message: str) -> None:
    path = save_model(tmp_path / "model.safetensors", tiny, SPEC)
    rewritten(path, recorded(**changes))
    with pytest.raises(CheckpointError, match=message):
        load_model(path)
