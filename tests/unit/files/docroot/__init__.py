"""The directory whose files are served."""
