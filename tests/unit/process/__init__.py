"""Who runs: real processes, signals and files."""
