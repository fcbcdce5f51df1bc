"""Typed extraction from any model: a validated object, where each value stood, what it cost."""
