"""Networks at work on this machine: `runtimes` compute them, `measuring` lets them take turns, `readings` says what
follows, `profiling` gives the time to kernels, `replaying` runs a scenario's cameras (`replays` with networks,
`replayed` is what came of it), and two reports tell.
"""
