"""Conversations: what is said, what of it fits the window, and where it is kept."""
