"""The garbage collector while tests are imported, and libraries with them.

Going through half a million objects of PyTorch and other libraries again and again, which are no garbage, takes a fifth
of the time that imports take, and a tenth of what comes afterwards.
"""

import gc

gc.disable()


def resume() -> None:
    """Collect garbage again, but never look for it among what is there now."""
    gc.freeze()
    gc.enable()
