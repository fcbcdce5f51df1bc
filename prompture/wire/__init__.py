"""HTTP as values, framings and the retry exchange. No I/O."""
