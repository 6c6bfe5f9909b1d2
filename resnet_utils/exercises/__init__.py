"""The checkers of the exercises, one module a chapter: each says "correct", or what is wrong."""
