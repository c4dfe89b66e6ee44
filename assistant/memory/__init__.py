"""Memory: the user's own documents and facts in SQLite, found, cited, and forgotten on request."""
