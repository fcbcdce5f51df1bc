"""A real llama.cpp server with a 2 MB hand-made model, for tests."""
