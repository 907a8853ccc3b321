"""What HTTP means: bytes in and values out."""
