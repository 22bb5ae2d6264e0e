"""The workflow language: its model, its meaning, its checks, and a library of ready workflows."""
