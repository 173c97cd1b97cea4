from collections.abc import Callable
from pathlib import Path

import pytest

from autola_analysis.core.errors import OptionError
from autola_analysis.study.models import LoadingOptions, load_models, per_variant, split_named_path


def test_an_existing_file_is_a_path_and_otherwise_the_first_equals_sign_splits(tmp_path: Path) -> None:
    odd = tmp_path / "epoch=9-step=90.ckpt"
    assert split_named_path(f"HOGA={odd}") == ("HOGA", odd)
    odd.write_bytes(b"")
    assert split_named_path(str(odd)) == ("epoch=9-step=90", odd)
    assert split_named_path(f"HOGA={odd}") == ("HOGA", odd)
    assert split_named_path("a/b.pth") == ("b", Path("a/b.pth"))


def test_one_name_with_several_files_makes_training_runs(checkpoint: Callable[..., Path]) -> None:
    files = [checkpoint("se", 0), checkpoint("se", 1), checkpoint("none", 0)]
    models = load_models([f"SE={files[0]}", f"SE={files[1]}", f"plain={files[2]}"], LoadingOptions())
    assert [(m.variant.name, m.variant.run) for m in models] == [("SE", "1"), ("SE", "2"), ("plain", "1")]


def test_the_same_file_twice_is_refused(checkpoint: Callable[..., Path]) -> None:
    file = checkpoint("se")
    with pytest.raises(OptionError, match="are the same checkpoint; give each file once"):
        load_models([f"A={file}", f"B={file}"], LoadingOptions())
    with pytest.raises(OptionError, match="no checkpoint was given"):
        load_models([], LoadingOptions())


def test_options_are_for_all_variants_or_for_one() -> None:
    names = ["A", "B"]
    assert per_variant(["imagenet"], names, "--normalize") == {"": "imagenet"}
    assert per_variant(["A=none", "imagenet"], names, "--normalize") == {"A": "none", "": "imagenet"}
    with pytest.raises(OptionError, match="no --ckpt is named 'C'; names: A, B"):
        per_variant(["C=none"], names, "--normalize")
    with pytest.raises(OptionError, match="--normalize is given twice for A: none, imagenet"):
        per_variant(["A=none", "A=imagenet"], names, "--normalize")


def test_normalization_reaches_the_variant_it_was_given_for(checkpoint: Callable[..., Path]) -> None:
    files = [checkpoint("se"), checkpoint("none")]
    reading = LoadingOptions(normalize={"A": "imagenet"})
    first, second = load_models([f"A={files[0]}", f"B={files[1]}"], reading)
    assert first.variant.preprocessing.mean == (0.485, 0.456, 0.406)
    assert second.variant.preprocessing.mean == (0.0, 0.0, 0.0)
