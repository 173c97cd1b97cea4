"""The errors that a user meets: each message says what was expected, what was found and what to do."""

from __future__ import annotations


class AutolaError(Exception):
    """Base of every error that is about the user's input rather than about a fault of this package."""


class UnknownNameError(AutolaError):
    """A name (attention, backbone, layer, recipe, ...) that is not known; the message lists the nearest ones."""


class CheckpointError(AutolaError):
    """A checkpoint file that cannot be read, identified or loaded completely."""


class DataError(AutolaError):
    """Images or labels that are missing, unreadable or inconsistent."""


class CopyError(DataError):
    """A network that cannot be copied, by an analysis that needs a copy.

    Args:
        reason: What cannot be copied.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the network cannot be copied ({reason}), and this needs a copy; keep such attributes out of the network."
        )
        self.reason = reason

    def __reduce__(self) -> tuple[type[CopyError], tuple[str]]:
        return CopyError, (self.reason,)


class BadImageError(DataError):
    """An image that cannot be decoded.

    Args:
        message: What is wrong with it.
        path: Of its file; empty where it has none.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[type[BadImageError], tuple[str, str]]:
        return BadImageError, (str(self), self.path)


class LayerError(AutolaError):
    """A layer whose activations do not fit the analysis that was asked for."""


class OptionError(AutolaError):
    """An option with a value that is not allowed, or options that contradict each other."""


class TrainingError(AutolaError):
    """A training that cannot go on: its loss is not finite, or its state on disk is damaged."""


class ReportError(AutolaError):
    """A report directory that cannot be written."""


class CacheError(AutolaError):
    """A cache or a result that cannot be written, most often because the disk is full."""


class MissingExtraError(AutolaError):
    """An optional dependency that the asked-for feature needs and that is not installed."""


class SearchError(AutolaError):
    """A search for a wiring that cannot go on: a number is not finite, or memory does not suffice."""
