"""What a type costs: quality, speed, and which one is best on this machine."""
