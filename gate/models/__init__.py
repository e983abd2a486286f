"""Known models: where they come from, how they are checked and turned into GGUF."""
