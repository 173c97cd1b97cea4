"""Leaving out images that cannot be decoded: what ``--skip-bad-images`` asks for.

By default a pass stops at such an image with a `BadImageError`. To leave them out, they must be known before the pass
and not on the way: labels permuted over the whole run, image folds and batches of processes are all laid out
beforehand by image index, and an image dropped half way would shift them. So one pass that only decodes goes first.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from autola_analysis.core.distributed import current
from autola_analysis.core.errors import BadImageError, DataError
from autola_analysis.data.source import Source
from autola_analysis.data.subset import part_of

BLOCK = 256
"""Images handed to the threads at a time."""


def drop_unreadable(
    source: Source, progress: Callable[[int], object] | None = None, threads: int = 8
) -> tuple[Source, tuple[str, ...]]:
    """Decode every image once and leave out those that cannot be; processes that share the run share the images.

    Args:
        source: What to check; after `limit`, so that only the images of the run are decoded.
        progress: Called with the number of images checked since its last call, as `ProgressBar.update` is.
        threads: That decode at the same time.

    Returns:
        The source without its bad images, `source` itself where it has none, and the paths of the bad ones.

    Raises:
        DataError: If no image can be decoded.
    """
    processes, found = current(), dict[int, BadImageError]()
    count, shown = processes.counter(), 0
    with ThreadPoolExecutor(threads) as pool:
        for start in range(processes.rank * BLOCK, len(source), processes.world_size * BLOCK):
            block = range(start, min(start + BLOCK, len(source)))
            for index, error in zip(block, pool.map(lambda i: _error_of(source, i), block), strict=True):
                if error is not None:
                    found[index] = error
            done = count(len(block))
            if progress is not None:
                progress(done - shown)
            shown = done
    mine = [(index, str(error), error.path) for index, error in found.items()]
    errors = {index: BadImageError(*of) for each in processes.all_gather_object(mine) for index, *of in each}
    errors = dict(sorted(errors.items()))
    if not errors:
        return source, ()
    good = [index for index in range(len(source)) if index not in errors]
    if not good:
        first = next(iter(errors.values()))
        raise DataError(f"none of the {len(source)} images of {source.name} can be decoded; the first: {first}")
    return part_of(source, good), tuple(error.path or source.ids[index] for index, error in errors.items())


def _error_of(source: Source, index: int) -> BadImageError | None:
    try:
        source.image(index)
    except BadImageError as error:
        return error
    return None
