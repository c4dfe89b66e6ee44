"""Turns messages into tokens: prefill, decode, sampling, chat format; in this process or in a child."""
