"""Files of pruned networks: ``torch.nn.utils.prune`` keeps each pruned tensor as an original and a mask."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

ORIGINAL, MASK = "_orig", "_mask"


def without_masks(state: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
    """Return tensors with every pair of original and mask as their product, which is what the network computes with.

    Args:
        state: Tensors by name.

    Returns:
        The tensors, and the sentence to record; none where nothing was pruned.
    """
    plain: dict[str, Tensor] = {}
    pruned: list[str] = []
    for name, tensor in state.items():
        stem = name.removesuffix(ORIGINAL).removesuffix(MASK)
        original, mask = state.get(stem + ORIGINAL), state.get(stem + MASK)
        if original is None or mask is None or original.shape != mask.shape:
            plain[name] = tensor
        elif name.endswith(ORIGINAL):
            pruned.append(stem)
            plain[stem] = original * mask.to(original.dtype)
    if not pruned:
        return plain, ()
    zero = sum(int((plain[name] == 0).sum()) for name in pruned) / sum(plain[name].numel() for name in pruned)
    sentence = (
        f"pruned: {len(pruned)} tensors are stored as weight_orig and weight_mask ({pruned[0]}{ORIGINAL} ...) and are "
        f"read as their product; {zero:.0%} of their values are zero"
    )
    return plain, (sentence,)
