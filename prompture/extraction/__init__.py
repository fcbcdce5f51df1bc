"""Documents in, validated objects out."""
