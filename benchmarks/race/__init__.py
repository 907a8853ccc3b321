"""The race: phttpd side by side with other servers, for each kind of request."""
