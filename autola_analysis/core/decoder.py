"""Where images are decoded: on the CPU, exactly, or JPEG files on the GPU."""

from __future__ import annotations

from typing import Literal, get_args

from autola_analysis.core.choices import checked_choice

Decoder = Literal["cpu", "gpu"]
"""Pillow on the CPU, which every result is defined by; or a GPU's own decoder, whose pixels differ by a few levels"""
DECODERS: tuple[Decoder, ...] = get_args(Decoder)

DECODER: Decoder = "cpu"
"""The default: no decoder of a GPU puts out Pillow's pixels."""


def checked_decoder(name: str) -> Decoder:
    """Return the name of a decoder as it is.

    Raises:
        OptionError: If there is no such decoder.
    """
    return checked_choice("--decode", name, DECODERS)
