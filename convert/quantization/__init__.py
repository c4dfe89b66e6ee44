"""Which type each tensor gets, and the file that comes of it."""
