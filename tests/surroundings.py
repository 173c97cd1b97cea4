"""What holds in every process of the tests; to be imported before PyTorch.

Garbage is not collected while libraries are imported: going through half a million of their objects again and again
takes a fifth of the time that imports take, and a tenth of what comes afterwards.
"""

import gc
import signal

gc.disable()

import torch  # noqa: E402

torch.set_num_threads(1)  # tests run side by side, and small tensors gain nothing from a second thread

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def all_is_imported() -> None:
    """Collect garbage again, but never look for it among what is there now."""
    gc.freeze()
    gc.enable()
