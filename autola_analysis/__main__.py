"""``python -m autola_analysis`` is ``autola-analyze``."""

from autola_analysis.cli.main import main

main()
