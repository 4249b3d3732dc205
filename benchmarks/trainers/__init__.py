"""What `training.py` is made of: the networks and data that are trained on, the contenders and the levers they go
without, the clocks, what is kept on disk, and the tables.
"""
