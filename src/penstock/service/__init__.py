"""What `penstock up` is made of: a lake that is alive, until it is asked to stop."""
