"""What a model is: catalogue, store, pull, verify, licence, hardware fit, and the handles of llama.cpp."""
