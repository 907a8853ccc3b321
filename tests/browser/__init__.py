"""The site as people meet it: real Chromium against the real server."""
