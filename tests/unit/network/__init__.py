"""Who talks: real loops in threads, over real sockets."""
