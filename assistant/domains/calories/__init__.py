"""Calories: a meal in free words, looked up in the tables of the USDA, counted by arithmetic."""
