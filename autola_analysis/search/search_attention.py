"""A search from Python, in one call."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from autola_analysis.core.extras import need_lightning
from autola_analysis.core.files import expanded
from autola_analysis.search.recipes import SEARCH_RECIPES, SearchRecipe
from autola_analysis.search.result import SearchResult

OWN = "own"
"""What the record calls a recipe that has no registered name."""


def search_attention(
    recipe: str | SearchRecipe,
    order: int = 1,
    seed: int = 0,
    *,
    hessian: str = "exact",
    backbone: str | None = None,
    data: str | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    precision: str = "32-true",
    workers: int = 0,
    quiet: bool = False,
) -> SearchResult:
    """Search for a wiring of HOGA, as ``autola-analyze search`` does.

    Args:
        recipe: A registered name ("cifar10"), with the folder of its images behind a colon where they lie elsewhere
            ("cifar10:/data"); or a recipe.
        order: 1 or 2, see `autola-analyze search --help`.
        seed: Of the halves, the weights, alpha, the order of the images and their augmentation.
        hessian: Of second order: "exact", "differences" or "none".
        backbone: Registered name; None takes the recipe's.
        data: Where the images are, if not the recipe's source as it stands.
        out: Folder to write, with a state beside it that a killed search goes on from; None keeps nothing.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "32-true", or "bf16-mixed" with first order.
        workers: Processes that decode images; 0 decodes in this one.
        quiet: Whether no progress is shown.

    Raises:
        AutolaError: As `autola-analyze search` says it in one sentence.

    References:
        Ma et al., "Auto Learning Attention", NeurIPS 2020; Liu et al., "DARTS", ICLR 2019.
    """
    need_lightning("a search")
    from autola_analysis.search.run import Search, run_search  # loads pytorch-lightning
    from autola_analysis.training.settings import Machine

    name = OWN
    if isinstance(recipe, str):
        name, _, root = recipe.partition(":")
        data = recipe if root and data is None else data
        recipe = SEARCH_RECIPES.get(name)
    search = Search(name, recipe, order, hessian, backbone, seed, data)
    with ExitStack() as stack:
        folder = expanded(out) if out is not None else Path(stack.enter_context(TemporaryDirectory())) / "search"
        return run_search(search, folder, Machine(device, precision, workers, quiet))
