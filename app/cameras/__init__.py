"""What the product does with its cameras: keeps their worker processes running and takes in what they say."""
