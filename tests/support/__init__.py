"""What several tests share: starting servers, talking raw HTTP to them."""
