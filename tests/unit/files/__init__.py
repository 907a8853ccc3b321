"""The disk and its cache, in real directories."""
