"""Stock decoders: seen as layers, started afresh, counted, and asked for some logits only."""
