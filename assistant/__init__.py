"""A small language model on your own machine: chat, command line, and the engine behind both."""

__version__ = "0.1.0"
