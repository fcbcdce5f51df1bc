"""``python -m prompture.cli``."""

from prompture.cli import main

main()
