"""Work that outlives its request: folders of photos, and clips."""
