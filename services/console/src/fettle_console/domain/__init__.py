"""What the console decides by itself: who may enter, what a heartbeat line is worth, what a live stream resumes."""
