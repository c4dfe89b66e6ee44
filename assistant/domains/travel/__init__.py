"""Travel: places, distances, times and holidays that the program knows, and plans that keep to them."""
