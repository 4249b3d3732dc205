"""`python -m budgetnet` works like `budgetnet`."""

from budgetnet.cli import main

if __name__ == "__main__":
    main()
