"""What is to happen, read strictly from data: scenarios, drifts, progressions. Pure: nothing here acts."""
