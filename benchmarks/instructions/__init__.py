"""Instructions that requests of each kind take, counted by callgrind."""
