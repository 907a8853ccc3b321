"""What several levels of tests use: a server, raw HTTP, requirements."""
