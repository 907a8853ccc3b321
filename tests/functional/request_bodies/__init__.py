"""Bodies of requests are read and dropped: the next request begins where the client says so."""
