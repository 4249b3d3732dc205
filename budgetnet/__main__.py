"""`python -m budgetnet` works like `budgetnet`."""

import gc
import os


def main() -> None:
    """Runs the command line."""
    # Light commands last a few tenths of a second, most of it imports: collecting garbage while they run, and looking
    # for pydantic plug-ins in every installed package, would take a fifth of it.
    gc.set_threshold(100_000, 50, 50)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        from budgetnet.cli import run

        run()
    except KeyboardInterrupt:  # while the commands were being loaded
        raise SystemExit(130) from None
    finally:
        gc.freeze()  # the process ends: what is left need not be searched for garbage first


if __name__ == "__main__":
    main()
