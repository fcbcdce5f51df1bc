"""One dialect, one file: pure functions between our types and a provider's wire."""
