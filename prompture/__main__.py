"""``python -m prompture``."""

from prompture.cli import main

main()
