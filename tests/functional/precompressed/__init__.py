"""Precompressed forms beside a file: which one is sent, when, and what its head says."""
