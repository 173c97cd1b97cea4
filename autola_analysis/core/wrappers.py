"""Names that compilation and parallelism put into the names of the part of a network that they wrap."""

WRAPPERS = ("_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


def without_wrappers(name: str) -> str:
    """Return the name of a tensor or module as it is without wrappers."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)
