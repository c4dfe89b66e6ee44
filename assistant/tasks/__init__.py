"""What scripts call: one text or thousands, in and out, without a chat around it."""
