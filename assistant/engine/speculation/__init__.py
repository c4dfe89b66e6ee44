"""Speculative decoding: something cheap drafts the next tokens, the model checks them all in one batch.

What comes out is the model's own: every token is sampled from its logits, a drafted one only saves a batch of its own
when it is what the model samples (Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding").
"""
