"""Benchmarks: what phttpd promises in figures, measured on the loopback interface."""
