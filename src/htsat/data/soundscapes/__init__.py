"""Recordings made of labelled sounds: who sounds when is known exactly."""
