"""Settings: one frozen tree, read by app/ alone; everything else gets plain values."""
