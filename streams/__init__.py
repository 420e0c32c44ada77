"""From accepted events to findings: replay of files, and the embedded product's pipeline."""
