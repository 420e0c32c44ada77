"""What is kept of cameras: which there are, how each is and was, how its clock and its faces compare."""
