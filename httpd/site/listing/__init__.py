"""Directories as pages for people (HTML) and for programs (JSON)."""
