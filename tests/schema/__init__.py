"""The JSON Schema of the config file, made from the table of keys: ``python -m tests.schema``."""
