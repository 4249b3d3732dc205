"""Efficiencies out of measurements: `measured` says what one is, `reading` reads files of them, `machine` makes them
here, `fit` finds the shares and how far predictions lie from what was not fitted, `report` tells.
"""
