"""Real video files and pictures of any size, made without a codec at run time."""
