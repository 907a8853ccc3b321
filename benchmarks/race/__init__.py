"""The race: phttpd side by side with other servers, request kind by request kind."""
