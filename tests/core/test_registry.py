import pytest

from autola_analysis.core.errors import OptionError, UnknownNameError
from autola_analysis.core.registry import Registry, nearest


def test_a_registered_thing_is_found_by_its_name_and_listed_in_order() -> None:
    registry: Registry[int] = Registry("number")
    registry.register("two")(2)
    registry.register("one")(1)
    assert registry.get("one") == 1
    assert registry.names() == ["two", "one"]
    assert "two" in registry
    assert "three" not in registry


def test_a_name_cannot_be_taken_twice() -> None:
    registry: Registry[int] = Registry("number")
    registry.register("one")(1)
    with pytest.raises(OptionError, match="number 'one' is already registered"):
        registry.register("one")(2)
    assert registry.get("one") == 1


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    registry: Registry[int] = Registry("backbone")
    for name in ("resnet20", "resnet50", "vgg"):
        registry.register(name)(0)
    with pytest.raises(UnknownNameError, match="unknown backbone 'resnet51'; the nearest known: resnet50"):
        registry.get("resnet51")


def test_a_family_makes_what_is_asked_for_by_name() -> None:
    registry: Registry[str] = Registry("module")
    registry.register("own")("own")
    registry.register_family("library")(lambda name: f"{name} of a library")
    assert registry.get("library:gate") == "gate of a library"
    assert "library:anything" in registry
    assert "library" not in registry
    assert "other:gate" not in registry
    assert registry.names() == ["own"]
    assert registry.families() == ["library:NAME"]
    with pytest.raises(UnknownNameError, match="unknown module 'other:gate'"):
        registry.get("other:gate")


def test_nearest_falls_back_to_the_first_names_where_none_is_alike() -> None:
    assert nearest("zzz", ["a", "b", "c"], limit=2) == ["a", "b"]
