"""Which swipes a custom rule looks at: conditions written in CEL, read, checked and applied to whole slabs."""
