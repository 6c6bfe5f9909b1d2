"""The small live experiments of chapters 1, 2 and 3, which take seconds."""
