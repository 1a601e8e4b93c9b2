"""Own classes, made of those of a model: `groups`, `hierarchy` (kinds of kinds), and the `engine` of them."""
