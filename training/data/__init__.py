"""Labelled cases on their way into a training batch: read, grouped, split, balanced, collated."""
