"""What the program itself knows in a field: tables and arithmetic that a model is grounded in."""
