"""Tests of the benchmarks: what they measure, what they print, which errors they see."""
