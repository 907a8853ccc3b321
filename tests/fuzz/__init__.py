"""Coverage-guided fuzzing: unexpected bytes, and what must hold for all of them.

`python -m tests.fuzz` runs it for people, and `test_fuzz.py` for a moment among the tests.
"""
