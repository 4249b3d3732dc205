"""budgetnet: a hardware budget planner and architecture search for semantic segmentation in cars."""
