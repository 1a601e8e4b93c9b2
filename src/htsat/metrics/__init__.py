"""How well a model hears: numpy only, each metric checked against another implementation."""
