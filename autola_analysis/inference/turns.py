"""One thread at a time works on what belongs to the whole process or to the caller."""

from __future__ import annotations

from threading import RLock

TURN = RLock()
"""Held while torch's switches of arithmetic are set, while a caller's network has hooks or flags of an analysis or is
copied, and while a block is traced: another thread would meet the hooks in its forward or its copy, put switches back
to what they are not, and leave torch with calls of modules that fail. It is one, so that no two threads wait for each
other."""
