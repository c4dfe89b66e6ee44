"""Text out of files: one module a family of formats; those that parse run in a child process (``process``)."""
