"""The decision: contract, policy rules, rendering, backbones, head, calibration."""
