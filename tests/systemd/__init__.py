"""phttpd installed and run as a service, by a real systemd in a container."""
