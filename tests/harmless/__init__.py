"""The agent cannot hurt the program: whatever of it fails, whatever the program does, and whoever else is there."""
