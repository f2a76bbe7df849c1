"""What each kind of event does to a trajectory, a file each."""
