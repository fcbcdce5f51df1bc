"""Dialects, each in up to four files: pure functions between our types and a provider's wire."""
