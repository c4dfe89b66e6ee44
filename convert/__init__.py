"""Makes models: a published checkpoint becomes a quantized GGUF that is measured and paired with a draft model."""
