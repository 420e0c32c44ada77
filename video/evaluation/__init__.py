"""How well the face engines do, measured on a folder of labelled pictures."""
