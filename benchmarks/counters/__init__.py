"""What `counting.py` is made of: the counters, the networks and layers they count, and where they go wrong."""
