"""A provider that fails in every known way, and proofs of what is promised while it does."""
