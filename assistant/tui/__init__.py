"""The chat in the terminal, on Textual. Imported only when a chat opens."""
