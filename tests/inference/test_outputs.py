from collections import namedtuple

import pytest
import torch

from autola_analysis.inference.outputs import detached, same_outputs, tensors_of, with_entry

Pair = namedtuple("Pair", "boxes scores")
BOXES, SCORES = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0.5, 1.0])


@pytest.mark.parametrize(
    "output",
    [BOXES, [BOXES, SCORES], (BOXES, [SCORES]), {"boxes": BOXES, "scores": SCORES}, Pair(BOXES, SCORES)],
    ids=["tensor", "list", "tuple", "dict", "named tuple"],
)
def test_outputs_are_compared_tensor_by_tensor(output: object) -> None:
    def changed(by: float) -> object:
        copied = detached(output)
        last = list(tensors_of(copied))[-1]
        last.data = last.data.clone()
        last.view(-1)[-1] += by
        return copied

    assert same_outputs(output, changed(0))
    assert same_outputs(output, changed(5e-5))
    assert not same_outputs(output, changed(1e-2))
    assert type(changed(0)) is type(output)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ([BOXES], (BOXES,)),
        ([BOXES], [BOXES, BOXES]),
        (torch.ones(2, 3), torch.ones(1, 3)),
        (BOXES, [BOXES]),
        ({"boxes": BOXES}, {"box": BOXES}),
        (torch.tensor([1, 2]), torch.tensor([1, 3])),
        ((BOXES, "rows"), (BOXES, "columns")),
    ],
)
def test_outputs_of_another_structure_or_with_other_whole_numbers_differ(expected: object, found: object) -> None:
    assert same_outputs(expected, expected)
    assert not same_outputs(expected, found)


def test_detached_outputs_are_part_of_no_graph() -> None:
    leaf = BOXES.clone().requires_grad_()
    output = {"a": (leaf * 2, [leaf + 1]), "b": Pair(leaf.exp(), 3)}
    found = detached(output)
    assert [tensor.requires_grad for tensor in tensors_of(output)] == [True] * 3
    assert [tensor.requires_grad for tensor in tensors_of(found)] == [False] * 3
    assert found["b"].scores == 3
    assert isinstance(found["b"], Pair)


def test_one_entry_of_an_output_is_exchanged_and_the_output_stays() -> None:
    for output, entry in (([1, 2], 1), ((1, 2), 1), (Pair(1, 2), 1), ({"a": 1, "b": 2}, "b")):
        found = with_entry(output, entry, 5)
        assert type(found) is type(output)
        assert list(found.values() if isinstance(found, dict) else found) == [1, 5]
        assert list(output.values() if isinstance(output, dict) else output) == [1, 2]
