"""The parts of ``scripts/bench.py``: a stub server, the clients that are measured, the cases."""
