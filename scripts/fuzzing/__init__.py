"""What `scripts/fuzz.py` draws and holds to be true."""
