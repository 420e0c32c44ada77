"""The contract: typed events and findings, their codec, identities and errors. No I/O, no clock."""
