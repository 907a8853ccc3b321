"""The race: how it measures, which Python runs phttpd, when it is published, and what is quoted."""
