"""Work that takes several model calls, written once for both colours."""
