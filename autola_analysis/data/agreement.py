"""Images that several processes share: all must have the same ones, wherever their copies lie."""

from __future__ import annotations

from autola_analysis.core.distributed import current
from autola_analysis.data.source import Source, hash_of


def check_same_images(source: Source) -> None:
    """Refuse images that are not the same in all processes that share the run; all must call it.

    Names, sizes and labels or objects are compared always. Path and times may differ, as they do where every machine
    has a copy of its own: then the contents decide, for which all images are read once.

    Raises:
        ProcessError: In all processes, if the images differ.
    """
    processes = current()
    if processes.world_size == 1:
        return
    what = f"the images of {source.name.partition(':')[0]}"
    processes.check_same(
        lambda: {f"names, sizes or classes of {what}": hash_of(source.listing(), source.known(), *source.classes)}
    )
    if source.compared or len(set(processes.all_gather_object(source.address()))) == 1:
        return
    processes.check_same(lambda: {f"contents of {what}": source.hash_contents()})
    source.compared = True
