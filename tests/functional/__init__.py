"""What the running server does, seen through real sockets and by real clients."""
