"""What trains the gate's head and so8t-mini. Needs the extra `train`; the runtime never imports it."""
