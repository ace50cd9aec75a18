"""Membership-inference attacks: who was trained on, judged by the outputs."""
