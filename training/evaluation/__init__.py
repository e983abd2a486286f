"""How good a trained head is: figures with intervals, plots, one HTML report. No model is needed for any of it."""
