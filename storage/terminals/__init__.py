"""The stores' terminals: paired, heard of, and answering."""
