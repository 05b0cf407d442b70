"""Videos: instances of each frame, followed from frame to frame."""
