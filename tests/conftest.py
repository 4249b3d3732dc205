import os

# Tests run in as many processes as there are cores: threads of their own would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
