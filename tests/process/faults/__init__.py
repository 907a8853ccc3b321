"""Faults that the interpreter of a server under test brings about."""
