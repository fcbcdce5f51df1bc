"""Models that run inside this process: one class each, with ``answer(request)``."""
