"""LoRA adapters of PEFT: converted, or merged into their checkpoint."""
