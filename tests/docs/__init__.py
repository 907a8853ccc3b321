"""The documentation: its links lead somewhere, its commands run, and its site can be built."""
