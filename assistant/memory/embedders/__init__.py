"""The embedders and rerankers themselves, and the folder where pulled ones are kept."""

DEFAULT = "use-multilingual"
