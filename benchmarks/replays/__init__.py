"""Searches replayed from recorded trainings: see `benchmarks/record.py` and `benchmarks/search.py`."""
