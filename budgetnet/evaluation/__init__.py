"""How good a trained network is: figures from counted pixels, and the report and pictures that tell them."""
