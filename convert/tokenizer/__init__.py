"""The tokenizer of a checkpoint, as the arrays that llama.cpp reads."""
