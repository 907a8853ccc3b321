"""The tests of phttpd."""
