"""Who remembers a region's visitors: in this process, or asked elsewhere."""
